import * as run from "../checks/run.ts";
import type { Mutation } from "./mutation.ts";

const RUN_BATCH = "engine/routines/run_batch.sql";
const RUN_ONCE = "engine/routines/run_once.sql";

/** What a run does, and what an error does to it. */
export const runMutations: readonly Mutation[] = [
  {
    name: "the end is the transaction's time",
    file: RUN_BATCH,
    from: "finished_at = case when v_over or v_out_of_time then pg_catalog.clock_timestamp() end",
    to: "finished_at = case when v_over or v_out_of_time then pg_catalog.now() end",
    check: run.timesAreOfTheClock,
    fails:
      "expect(await db.rows(\"select finished_at - started_at >= interval '0.3 s' as long from app.job_runs\")).toEqual([",
  },
  {
    name: "no commit between the batches",
    file: RUN_ONCE,
    from: "    commit;\n    exit when",
    to: "    exit when",
    check: run.errorInTheThirdBatch,
    fails:
      'expect(await db.lastRun()).toMatchObject({ status: "failed", affected: 4, batches: 2, sqlstate: "53100" });',
  },
  {
    name: "an error is not raised",
    file: "engine/routines/run_job.sql",
    from: "if v_sqlstate is not null then",
    to: "if false then",
    check: run.errorInTheThirdBatch,
    fails: 'expect(error).toMatchObject({ code: "53100" });',
  },
  {
    name: "no time limit",
    file: RUN_BATCH,
    from: "v_out_of_time := not v_over\n",
    to: "v_out_of_time := false\n",
    check: run.timeLimitEndsARun,
    fails: 'expect(await db.lastRun()).toMatchObject({ status: "succeeded", affected: 1, more: true });',
  },
  {
    name: "a cursor that does not move is followed",
    file: RUN_BATCH,
    from: "if v_page.done is not true and v_page.next_cursor is not distinct from v_run.next_cursor then",
    to: "if false then",
    check: run.cursorMustMove,
    fails: 'expect(await errorOf(db.rows(EXPIRE_LOTS))).toMatchObject({ code: "MJ010" });',
  },
  {
    name: "an empty lot gets an expiry of nothing",
    file: "ledger/routines/010_expire_lots.sql",
    from: "\n  having pg_catalog.sum(e.amount_minor) > 0;",
    to: ";",
    check: run.expiresOnceAndExactly,
    fails: "expect(await db.lastRun()).toMatchObject({",
  },
  {
    name: "a lot that has expired is not marked",
    file: "ledger/routines/010_expire_lots.sql",
    from: "set expired_at = pg_catalog.clock_timestamp()",
    to: "set expired_at = null",
    check: run.expiresOnceAndExactly,
    fails: 'expect(await db.lastRun()).toMatchObject({ status: "succeeded", affected: 0, batches: 1 });',
  },
];
