import * as failures from "../checks/failures.ts";
import type { Mutation } from "./mutation.ts";

const ATTEMPT_RUN = "engine/routines/attempt_run.sql";
const RUN_ONCE = "engine/routines/run_once.sql";
const DO_ITEMS = "engine/routines/do_items.sql";

/** What ends a run from outside. */
export const failuresMutations: readonly Mutation[] = [
  {
    name: "a cancel is not caught",
    file: RUN_ONCE,
    from: "      v_over := app.run_batch(v_run_id);\n    exception when query_canceled or assert_failure or others then",
    to: "      v_over := app.run_batch(v_run_id);\n    exception when others then",
    check: failures.cancelledRunFails,
    fails:
      'expect(await db.lastRun()).toMatchObject({ status: "failed", affected: 1, batches: 1, sqlstate: how.sqlstate });',
  },
  {
    name: "a failed assertion is not caught",
    file: RUN_ONCE,
    from: "      v_over := app.run_batch(v_run_id);\n    exception when query_canceled or assert_failure or others then",
    to: "      v_over := app.run_batch(v_run_id);\n    exception when query_canceled or others then",
    check: failures.errorsOfTheMomentFailTheRun,
    fails: 'expect(await db.lastRun(), sqlstate).toMatchObject({ status: "failed", affected: 1, sqlstate });',
  },
  {
    name: "quarantine of everything",
    file: DO_ITEMS,
    from: "exception when data_exception or integrity_constraint_violation or raise_exception then",
    times: 2,
    to: "exception when others then",
    check: failures.errorsOfTheMomentFailTheRun,
    fails: "expect(await errorOf(db.rows(EXPIRE_LOTS)), sqlstate).toMatchObject({ code: sqlstate });",
  },
  {
    name: "an attempt that cannot claim leaves no row",
    file: ATTEMPT_RUN,
    from: "if error_sqlstate not like 'MJ%' then",
    to: "if false then",
    check: failures.claimThatFailsLeavesARow,
    fails: 'expect(await db.runs()).toMatchObject([{ status: "failed", affected: 0, batches: 0, sqlstate: "55P03" }]);',
  },
  {
    name: "a row that cannot be written hides why",
    file: ATTEMPT_RUN,
    from: "error_sqlstate := case when sqlstate = '57014' then sqlstate else error_sqlstate end;",
    to: "error := sqlerrm;",
    check: failures.lockedTableIsRaised,
    fails: "expect(error?.message).toMatch(/^job lot_expiry did not start: /);",
  },
  {
    name: "a cancel while that row is written goes by",
    file: ATTEMPT_RUN,
    from: "error_sqlstate := case when sqlstate = '57014' then sqlstate else error_sqlstate end;",
    to: "null;",
    check: failures.cancelWhileRecordingIsRaised,
    fails: 'expect(await run).toMatchObject({ code: "57014" });',
  },
];
