import * as catchUp from "../checks/catch-up.ts";
import type { Mutation } from "./mutation.ts";

const IS_OPEN = "engine/routines/is_open.sql";

/** What is caught up. */
export const catchUpMutations: readonly Mutation[] = [
  {
    name: "catch-up stops at the first failure",
    file: "engine/routines/run_overdue.sql",
    from: "exit when v_sqlstate = '57014';",
    to: "exit when v_sqlstate is not null;",
    check: catchUp.catchUpRunsThemAll,
    fails:
      "expect(error?.message).toMatch(/^1 of 3 overdue jobs failed: job failing failed in run \\d+: the disk is full$/);",
  },
  {
    name: "catch-up runs the longest overdue first",
    file: "engine/routines/find_overdue.sql",
    from: "order by o.moves_money desc, o.due",
    to: "order by o.due",
    check: catchUp.catchUpRunsMoneyFirst,
    fails: 'expect(order.map(({ name }) => name)).toEqual(["ops_cleanup", "failing", "lot_expiry", "good"]);',
  },
  {
    name: "a success after the clock was set back closes a due time",
    file: IS_OPEN,
    from: "\n    and r.started_at <= v_now;",
    to: ";",
    check: catchUp.clockSetBackStopsNothing,
    fails: "expect(await overdue()).toEqual([{ it: false }]);",
  },
  {
    name: "a failure after the clock was set back spaces the calls",
    file: IS_OPEN,
    from: "\n    and r.finished_at <= v_now;",
    to: ";",
    check: catchUp.clockSetBackStopsNothing,
    fails: "expect(await overdue()).toEqual([{ it: false }]);",
  },
  {
    name: "a success after the clock was set back is none that is missed",
    file: "engine/routines/overdue_since.sql",
    from: "      and r.started_at <= p_now\n",
    to: "",
    check: catchUp.clockSetBackStopsNothing,
    fails: "expect(await overdue()).toEqual([{ it: true }]);",
  },
  {
    name: "a job whose time zone is not known stops the others",
    file: "engine/routines/overdue_since.sql",
    from: "if not found or not app.knows_zone(v_job.timezone) then",
    to: "if not found then",
    check: catchUp.unknownZoneStopsNoOther,
    fails: "22023 expect(await health()).toEqual([",
  },
  {
    name: "a call for a job whose time zone is not known leaves no row",
    file: "engine/routines/fail_claim.sql",
    from: "\n        and app.knows_zone(j.timezone)\n",
    to: "\n",
    check: catchUp.unknownZoneStopsNoOther,
    fails: 'expect(await db.runs()).toMatchObject([{ status: "failed", sqlstate: "22023" }]);',
  },
  {
    name: "catch-up stops at a run that somebody ended",
    file: "engine/routines/run_once.sql",
    from: "exception when sqlstate 'MJ002' then",
    to: "exception when sqlstate 'MJ999' then",
    check: catchUp.catchUpGoesOnAfterALostRun,
    fails: 'expect(await run).toMatchObject({ code: "MJ012" });',
  },
  {
    name: "catch-up goes on after a cancel",
    file: "engine/routines/run_overdue.sql",
    from: "exit when v_sqlstate = '57014';",
    to: "",
    check: catchUp.cancelledCatchUpStops,
    fails: 'expect(await run).toMatchObject({ code: "57014" });',
  },
  {
    name: "a run that was out of time is not overdue",
    file: "engine/routines/overdue_since.sql",
    from: "      and not r.more\n",
    to: "",
    check: catchUp.overdueUntilACompleteSuccess,
    fails: "expect(await overdue()).toBe(true);",
  },
];
