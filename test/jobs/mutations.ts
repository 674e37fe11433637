import { readFileSync } from "node:fs";
import path from "node:path";
import { sqlRoot } from "../merchants.ts";
import * as claim from "./checks/claim.ts";
import * as due from "./checks/due.ts";
import * as failures from "./checks/failures.ts";
import * as ledger from "./checks/ledger.ts";
import * as quarantine from "./checks/quarantine.ts";
import * as run from "./checks/run.ts";
import type { Check } from "./checks/all.ts";

/** A fault that somebody could make in the SQL, and the check that finds it. */
export interface Mutation {
  readonly name: string;
  /** Below sql/merchant/. */
  readonly file: string;
  /** Stands in the file once, or `times`. */
  readonly from: string;
  readonly times?: number;
  readonly to: string;
  readonly check: Check;
}

const BEGIN_RUN = "engine/routines/begin_run.sql";
const LIVE_CLAIM = "engine/routines/live_claim.sql";
const RUN_BATCH = "engine/routines/run_batch.sql";
const RUN_ONCE = "engine/routines/run_once.sql";
const DO_ITEMS = "engine/routines/do_items.sql";
const IS_OPEN = "engine/routines/is_open.sql";
const MIGRATION = "engine/migrations/001_create_job_engine.sql";

export const MUTATIONS: readonly Mutation[] = [
  {
    name: "no claim: a run that is alive is taken over",
    file: BEGIN_RUN,
    from: "if v_claim.run_id is not null then",
    to: "if false then",
    check: claim.secondCallerIsSkipped,
  },
  {
    name: "no lock while claiming",
    file: BEGIN_RUN,
    from: "perform pg_catalog.pg_advisory_xact_lock(7261, v_job.job_id::integer);",
    to: "",
    check: claim.callerWaitsForAClaim,
  },
  {
    name: "no lock of the batch",
    file: RUN_BATCH,
    from: "perform pg_catalog.pg_advisory_xact_lock(7261, r.job_id::integer) from app.job_runs as r where r.run_id = p_run_id;",
    to: "",
    check: claim.abandonedRunStops,
  },
  {
    name: "no uniqueness of the running row",
    file: MIGRATION,
    from: "create unique index job_runs_one_running",
    to: "drop index app.job_runs_one_running; create index job_runs_one_running",
    check: claim.neverTwoRunningRows,
  },
  {
    name: "no release: a dead claim is never abandoned",
    file: BEGIN_RUN,
    from: "    and status = 'running';\n  insert",
    to: "    and status = 'running' and false;\n  insert",
    check: claim.terminatedRunIsAbandoned,
  },
  {
    name: "an idle session counts as alive",
    file: LIVE_CLAIM,
    from: "(a.state = 'active' and a.query_start = v_claim.statement_started_at)",
    to: "(a.query_start = v_claim.statement_started_at)",
    check: claim.idleSessionIsNoClaim,
  },
  {
    name: "a session in another statement counts as alive",
    file: LIVE_CLAIM,
    from: "(a.state = 'active' and a.query_start = v_claim.statement_started_at)",
    to: "(a.state = 'active')",
    check: claim.otherStatementIsNoClaim,
  },
  {
    name: "a hidden session counts as dead",
    file: LIVE_CLAIM,
    from: "a.backend_type is null\n      or ",
    to: "",
    check: claim.hiddenSessionIsAlive,
  },
  {
    name: "any state that is not there counts as hidden",
    file: LIVE_CLAIM,
    from: "    and a.datname = pg_catalog.current_database()\n    and (\n      a.backend_type is null",
    to: "    and (\n      a.state is null",
    check: claim.serverProcessIsNoClaim,
  },
  {
    name: "what pg_stat_activity showed before is believed",
    file: LIVE_CLAIM,
    from: "perform pg_catalog.pg_stat_clear_snapshot();",
    to: "",
    check: claim.rememberedActivityIsForgotten,
  },
  {
    name: "a run goes on in any statement of its session",
    file: RUN_BATCH,
    from: "    and r.statement_started_at = pg_catalog.statement_timestamp();",
    to: ";",
    check: claim.onlyItsStatementGoesOn,
  },
  {
    name: "anybody fails a run",
    file: "engine/routines/fail_run.sql",
    from: "    and backend_pid = pg_catalog.pg_backend_pid()\n    and statement_started_at = pg_catalog.statement_timestamp();",
    to: ";",
    check: claim.onlyItsStatementGoesOn,
  },
  {
    name: "a run that somebody ended goes on",
    file: RUN_BATCH,
    from: "  where run_id = p_run_id\n    and status = 'running';",
    to: "  where run_id = p_run_id;",
    check: claim.abandonedRunStops,
  },
  {
    name: "the end is the transaction's time",
    file: RUN_BATCH,
    from: "finished_at = case when v_over or v_out_of_time then pg_catalog.clock_timestamp() end",
    to: "finished_at = case when v_over or v_out_of_time then pg_catalog.now() end",
    check: run.timesAreOfTheClock,
  },
  {
    name: "no commit between the batches",
    file: RUN_ONCE,
    from: "    commit;\n    exit when",
    to: "    exit when",
    check: run.errorInTheThirdBatch,
  },
  {
    name: "an error is not raised",
    file: "engine/routines/run_job.sql",
    from: "if v_sqlstate is not null then",
    to: "if false then",
    check: run.errorInTheThirdBatch,
  },
  {
    name: "a cancel is not caught",
    file: RUN_ONCE,
    from: "      v_over := app.run_batch(v_run_id);\n    exception when query_canceled or assert_failure or others then",
    to: "      v_over := app.run_batch(v_run_id);\n    exception when others then",
    check: failures.cancelledRunFails,
  },
  {
    name: "a failed assertion is not caught",
    file: RUN_ONCE,
    from: "      v_over := app.run_batch(v_run_id);\n    exception when query_canceled or assert_failure or others then",
    to: "      v_over := app.run_batch(v_run_id);\n    exception when query_canceled or others then",
    check: failures.errorsOfTheMomentFailTheRun,
  },
  {
    name: "no time limit",
    file: RUN_BATCH,
    from: "v_out_of_time := not v_over\n",
    to: "v_out_of_time := false\n",
    check: run.timeLimitEndsARun,
  },
  {
    name: "no cursor",
    file: RUN_BATCH,
    from: "next_cursor = v_page.next_cursor,",
    to: "next_cursor = null,",
    check: quarantine.quarantineIsTriedInBatches,
  },
  {
    name: "a cursor that does not move is followed",
    file: RUN_BATCH,
    from: "if v_page.done is not true and v_page.next_cursor is not distinct from v_run.next_cursor then",
    to: "if false then",
    check: run.cursorMustMove,
  },
  {
    name: "quarantine of everything",
    file: DO_ITEMS,
    from: "exception when data_exception or integrity_constraint_violation or raise_exception then",
    times: 2,
    to: "exception when others then",
    check: failures.errorsOfTheMomentFailTheRun,
  },
  {
    name: "no quarantine",
    file: DO_ITEMS,
    from: "      return;\n    exception when data_exception or integrity_constraint_violation or raise_exception then",
    to: "      return;\n    exception when division_by_zero then",
    check: quarantine.poisonStopsNoOther,
  },
  {
    name: "a constraint waits for COMMIT",
    file: "engine/routines/call_batch.sql",
    from: "set constraints all immediate;",
    to: "",
    check: quarantine.constraintIsAnErrorOfTheItem,
  },
  {
    name: "what is in quarantine is not passed over",
    file: RUN_BATCH,
    from: "select from app.job_quarantine as q where q.job_id = v_run.job_id and q.item = i.item",
    to: "select from app.job_quarantine as q where false",
    check: quarantine.healedItemIsDoneLast,
  },
  {
    name: "what is in quarantine is never tried again",
    file: RUN_BATCH,
    from: "select from app.job_quarantine as q where q.job_id = v_run.job_id and q.last_run_id <> p_run_id",
    to: "select from app.job_quarantine as q where false",
    check: quarantine.healedItemIsDoneLast,
  },
  {
    name: "what is in quarantine is tried again and again",
    file: RUN_BATCH,
    from: "select from app.job_quarantine as q where q.job_id = v_run.job_id and q.last_run_id <> p_run_id",
    to: "select from app.job_quarantine as q where q.job_id = v_run.job_id",
    check: quarantine.poisonStopsNoOther,
  },
  {
    name: "what goes well stays in quarantine",
    file: DO_ITEMS,
    from: "delete from app.job_quarantine where job_id = p_job.job_id and item = v_item;",
    to: "",
    check: quarantine.itemNoLongerDueLeaves,
  },
  {
    name: "a due time in the future is taken",
    file: BEGIN_RUN,
    from: "if p_due > pg_catalog.clock_timestamp() then",
    to: "if false then",
    check: due.futureDueIsRefused,
  },
  {
    name: "a run that was out of time counts as complete",
    file: IS_OPEN,
    from: "    and not r.more\n",
    to: "",
    check: due.outOfTimeLeavesItOpen,
  },
  {
    name: "a success that began before the due time counts",
    file: IS_OPEN,
    from: "    and not r.more\n    and r.started_at >= p_due;",
    to: "    and not r.more\n    and r.finished_at >= p_due;",
    check: due.completeSuccessClosesIt,
  },
  {
    name: "many failures overflow",
    file: IS_OPEN,
    from: "least(v_failures, 6)",
    to: "v_failures",
    check: due.manyFailuresWaitAnHour,
  },
  {
    name: "failures are not spaced",
    file: IS_OPEN,
    from: "return v_failures = 0\n",
    to: "return true\n",
    check: due.failuresSpaceTheCalls,
  },
  {
    name: "a skipped row for each call",
    file: BEGIN_RUN,
    from: "      on conflict (job_id, due) where status = 'skipped' do nothing;",
    to: ";",
    check: due.oneSkippedRowForADueTime,
  },
  {
    name: "pg_cron runs what is not due",
    file: BEGIN_RUN,
    from: "if v_due is null or v_due <= v_job.due_from or not v_job.enabled then",
    to: "if false then",
    check: due.schedulerRunsOncePerDueTime,
  },
  {
    name: "catch-up stops at the first failure",
    file: "engine/routines/run_overdue.sql",
    from: "exit when v_sqlstate = '57014';",
    to: "exit when v_sqlstate is not null;",
    check: due.catchUpRunsThemAll,
  },
  {
    name: "catch-up goes on after a cancel",
    file: "engine/routines/run_overdue.sql",
    from: "exit when v_sqlstate = '57014';",
    to: "",
    check: due.cancelledCatchUpStops,
  },
  {
    name: "a run that was out of time is not overdue",
    file: "engine/routines/overdue_since.sql",
    from: "      and not r.more\n",
    to: "",
    check: due.overdueUntilACompleteSuccess,
  },
  {
    name: "a lot is not locked before its balance is looked at",
    file: "ledger/routines/lock_lot.sql",
    from: "where l.lot_id = p_lot_id for update;",
    to: "where l.lot_id = p_lot_id;",
    check: ledger.spendsNeverOverdraw,
  },
  {
    name: "an operation that is closed is closed again",
    file: "ledger/routines/011_cleanup_expired_operations.sql",
    from: "      and o.state = 'open'\n      and o.expires_at <= p_now\n    order by o.operation_id",
    to: "      and o.expires_at <= p_now\n    order by o.operation_id",
    check: ledger.heldMoneyIsReleasedOnce,
  },
  {
    name: "no uniqueness of a release",
    file: "ledger/migrations/002_create_ledger.sql",
    from: "create unique index ledger_entries_once_an_operation",
    to: "drop index app.ledger_entries_once_an_operation; create index ledger_entries_once_an_operation",
    check: ledger.heldMoneyIsReleasedOnce,
  },
  {
    name: "what is asked to expire expires, due or not",
    file: "ledger/routines/010_expire_lots.sql",
    from: "      and l.expires_at <= p_now\n    order by l.lot_id",
    to: "    order by l.lot_id",
    check: ledger.nothingExpiresEarly,
  },
  {
    name: "an empty lot gets an expiry of nothing",
    file: "ledger/routines/010_expire_lots.sql",
    from: "\n  having pg_catalog.sum(e.amount_minor) > 0;",
    to: ";",
    check: run.expiresOnceAndExactly,
  },
  {
    name: "a lot that has expired is not marked",
    file: "ledger/routines/010_expire_lots.sql",
    from: "set expired_at = pg_catalog.clock_timestamp()",
    to: "set expired_at = null",
    check: run.expiresOnceAndExactly,
  },
];

/** The statements that put a mutation into a database that has the unmutated engine. Throws when its text is not there. */
export function statementsOf(mutation: Mutation): string {
  const text = readFileSync(path.join(sqlRoot, "merchant", mutation.file), "utf8");
  const parts = text.split(mutation.from);
  if (parts.length - 1 !== (mutation.times ?? 1)) {
    throw new Error(`${mutation.name}: ${mutation.file} has this ${String(parts.length - 1)} times: ${mutation.from}`);
  }
  const mutated = parts.join(mutation.to);
  if (!mutation.file.includes("/migrations/")) return mutated;
  // A migration was applied already: the statement that is mutated is enough.
  const from = mutated.lastIndexOf("\n\n", parts[0]!.length);
  const line = mutated.indexOf(mutation.to, from);
  return mutated.slice(line, mutated.indexOf(";\n", line + mutation.to.length) + 1);
}
