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
    name: "runs whose session died are not spaced",
    file: IS_OPEN,
    from: "r.status in ('failed', 'abandoned')",
    to: "r.status = 'failed'",
    check: due.abandonedRunsSpaceTheCalls,
    fails: 'expect(await statuses()).toEqual(["abandoned"]);',
  },
  {
    name: "a run whose session died counts from when that was found",
    file: IS_OPEN,
    from: "case r.status when 'failed' then r.finished_at else r.started_at end",
    to: "r.finished_at",
    check: due.abandonedRunsSpaceTheCalls,
    fails: "expect(await die(hourAgo!.it)).not.toBeNull();",
  },
  {
    name: "a runner is asked for no due time",
    file: BEGIN_RUN,
    from: "v_scheduler = 'runner' and p_due is not null and app.knows_zone(v_job.timezone)",
    to: "false",
    check: due.runnerComesForWhatIsDue,
    fails: "expect(await dues(), timezone).toEqual([{ is: true }]);",
  },
  {
    name: "a runner runs a job that has no schedule",
    file: BEGIN_RUN,
    from: "v_scheduler = 'runner' and p_due is not null and v_job.due_schedule is null",
    to: "false",
    check: due.runnerComesForWhatIsDue,
    fails: "expect(await db.runs()).toHaveLength(3);",
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
    from: "(v_scheduler <> 'manual' and (not v_job.enabled or p_due <= v_job.due_from))",
    to: "false",
    check: due.runnerIsHeldBackByAPause,
    fails: "expect(await db.runs()).toEqual([]);",
  },
];
