import * as due from "../checks/due.ts";
import type { Mutation } from "./mutation.ts";

const BEGIN_RUN = "engine/routines/begin_run.sql";
const IS_OPEN = "engine/routines/is_open.sql";

/** What a call for a due time does. */
export const dueMutations: readonly Mutation[] = [
  {
    name: "a due time in the future is taken",
    file: BEGIN_RUN,
    from: "if p_due > pg_catalog.clock_timestamp() then",
    to: "if false then",
    check: due.futureDueIsRefused,
    fails: 'expect(await errorOf(db.rows(call))).toMatchObject({ code: "MJ011" });',
  },
  {
    name: "a run that was out of time counts as complete",
    file: IS_OPEN,
    from: "    and not r.more\n",
    to: "",
    check: due.outOfTimeLeavesItOpen,
    fails: "expect((await db.runs()).map(({ more }) => more)).toEqual([true, false]);",
  },
  {
    name: "a success that began before the due time counts",
    file: IS_OPEN,
    from: "    and r.started_at >= p_due\n    and r.started_at <= v_now;",
    to: "    and r.finished_at >= p_due;",
    check: due.completeSuccessClosesIt,
    fails: 'expect((await db.runs()).map(({ status }) => status)).toEqual(["succeeded", "succeeded"]);',
  },
  {
    name: "many failures overflow",
    file: IS_OPEN,
    from: "least(v_failures, 6)",
    to: "v_failures",
    check: due.manyFailuresWaitAnHour,
    fails: "22003 await db.rows(HOUR_AGO);",
  },
  {
    name: "failures are not spaced",
    file: IS_OPEN,
    from: "return v_failures = 0\n",
    to: "return true\n",
    check: due.failuresSpaceTheCalls,
    fails: "expect(await db.runs(), `${String(before + 1)} failures`).toHaveLength(failed);",
  },
  {
    name: "a skipped row for each call",
    file: BEGIN_RUN,
    from: "      on conflict (job_id, due) where status = 'skipped' do nothing;",
    to: ";",
    check: due.oneSkippedRowForADueTime,
    fails: "23505 await db.rows(\"call app.run_job('lot_expiry', $1::timestamptz)\", [due]);",
  },
  {
    name: "pg_cron runs what is not due",
    file: BEGIN_RUN,
    from: "if v_due is null or v_due <= v_job.due_from then",
    to: "if false then",
    check: due.schedulerRunsOncePerDueTime,
    fails: "expect(await db.runs()).toEqual([]);",
  },
  {
    name: "a runner that has not heard of a pause runs the job",
    file: BEGIN_RUN,
    from: "if v_scheduler <> 'manual' and (not v_job.enabled or p_due <= v_job.due_from) then",
    to: "if false then",
    check: due.runnerIsHeldBackByAPause,
    fails: "expect(await db.runs()).toEqual([]);",
  },
];
