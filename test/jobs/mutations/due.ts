import * as due from "../checks/due.ts";
import type { Mutation } from "./mutation.ts";

const BEGIN_RUN = "engine/routines/begin_run.sql";
const IS_OPEN = "engine/routines/is_open.sql";

/** What is due, and what has been missed. */
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
    from: "if v_due is null or v_due <= v_job.due_from or not v_job.enabled then",
    to: "if false then",
    check: due.schedulerRunsOncePerDueTime,
    fails: "expect(await db.runs()).toEqual([]);",
  },
  {
    name: "catch-up stops at the first failure",
    file: "engine/routines/run_overdue.sql",
    from: "exit when v_sqlstate = '57014';",
    to: "exit when v_sqlstate is not null;",
    check: due.catchUpRunsThemAll,
    fails:
      "expect(error?.message).toMatch(/^1 of 3 overdue jobs failed: job failing failed in run \\d+: the disk is full$/);",
  },
  {
    name: "catch-up runs the longest overdue first",
    file: "engine/routines/find_overdue.sql",
    from: "order by o.moves_money desc, o.due",
    to: "order by o.due",
    check: due.catchUpRunsMoneyFirst,
    fails: 'expect(order.map(({ name }) => name)).toEqual(["ops_cleanup", "failing", "lot_expiry", "good"]);',
  },
  {
    name: "a success after the clock was set back closes a due time",
    file: IS_OPEN,
    from: "\n    and r.started_at <= v_now;",
    to: ";",
    check: due.clockSetBackStopsNothing,
    fails: "expect(await overdue()).toEqual([{ it: false }]);",
  },
  {
    name: "a failure after the clock was set back spaces the calls",
    file: IS_OPEN,
    from: "\n    and r.finished_at <= v_now;",
    to: ";",
    check: due.clockSetBackStopsNothing,
    fails: "expect(await overdue()).toEqual([{ it: false }]);",
  },
  {
    name: "a success after the clock was set back is none that is missed",
    file: "engine/routines/overdue_since.sql",
    from: "      and r.started_at <= p_now\n",
    to: "",
    check: due.clockSetBackStopsNothing,
    fails: "expect(await overdue()).toEqual([{ it: true }]);",
  },
  {
    name: "catch-up goes on after a cancel",
    file: "engine/routines/run_overdue.sql",
    from: "exit when v_sqlstate = '57014';",
    to: "",
    check: due.cancelledCatchUpStops,
    fails: 'expect(await run).toMatchObject({ code: "57014" });',
  },
  {
    name: "a run that was out of time is not overdue",
    file: "engine/routines/overdue_since.sql",
    from: "      and not r.more\n",
    to: "",
    check: due.overdueUntilACompleteSuccess,
    fails: "expect(await overdue()).toBe(true);",
  },
];
