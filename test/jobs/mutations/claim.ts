import * as claim from "../checks/claim.ts";
import type { Mutation } from "./mutation.ts";

const BEGIN_RUN = "engine/routines/begin_run.sql";
const LIVE_CLAIM = "engine/routines/live_claim.sql";
const RUN_BATCH = "engine/routines/run_batch.sql";
const MIGRATION = "engine/migrations/001_create_job_engine.sql";

/** Who may run a job. */
export const claimMutations: readonly Mutation[] = [
  {
    name: "no claim: a run that is alive is taken over",
    file: BEGIN_RUN,
    from: "  end if;\n  if v_claim.run_id is null then\n    -- Before",
    to: "  end if;\n  if true then\n    -- Before",
    check: claim.secondCallerIsSkipped,
    fails: "57014 await db.rows(EXPIRE_LOTS);",
  },
  {
    name: "no lock while claiming",
    file: BEGIN_RUN,
    from: "perform pg_catalog.pg_advisory_xact_lock(7261, v_job.job_id::integer);",
    to: "",
    check: claim.callerWaitsForAClaim,
    fails: "expect(await run).toBeUndefined();",
  },
  {
    name: "no lock of the batch",
    file: RUN_BATCH,
    from: "perform pg_catalog.pg_advisory_xact_lock(7261, r.job_id::integer) from app.job_runs as r where r.run_id = p_run_id;",
    to: "",
    check: claim.abandonedRunStops,
    fails: "expect(await db.engineLocks()).toContainEqual({ pid: next.pid, granted: false });",
  },
  {
    name: "no uniqueness of the running row",
    file: MIGRATION,
    from: "create unique index job_runs_one_running",
    to: "drop index app.job_runs_one_running; create index job_runs_one_running",
    check: claim.neverTwoRunningRows,
    fails: 'expect(await errorOf(db.rows(insert))).toMatchObject({ code: "23505" });',
  },
  {
    name: "no release: a dead claim is never abandoned",
    file: BEGIN_RUN,
    from: "      and status = 'running';",
    to: "      and status = 'running' and false;",
    check: claim.terminatedRunIsAbandoned,
    fails: "23505 await db.rows(EXPIRE_LOTS);",
  },
  {
    name: "an idle session counts as alive",
    file: LIVE_CLAIM,
    from: "(a.state = 'active' and a.query_start = v_claim.statement_started_at)",
    to: "(a.query_start = v_claim.statement_started_at)",
    check: claim.idleSessionIsNoClaim,
    fails: 'expect((await db.runs()).map(({ status }) => status)).toEqual(["abandoned", "succeeded"]);',
  },
  {
    name: "a session in another statement counts as alive",
    file: LIVE_CLAIM,
    from: "(a.state = 'active' and a.query_start = v_claim.statement_started_at)",
    to: "(a.state = 'active')",
    check: claim.otherStatementIsNoClaim,
    fails: 'expect((await db.runs()).map(({ status }) => status)).toEqual(["abandoned", "succeeded"]);',
  },
  {
    name: "a hidden session counts as dead",
    file: LIVE_CLAIM,
    from: "a.backend_type is null\n      or ",
    to: "",
    check: claim.hiddenSessionIsAlive,
    fails: "57014 await db.rows(EXPIRE_LOTS);",
  },
  {
    name: "any state that is not there counts as hidden",
    file: LIVE_CLAIM,
    from: "    and a.datname = pg_catalog.current_database()\n    and (\n      a.backend_type is null",
    to: "    and (\n      a.state is null",
    check: claim.serverProcessIsNoClaim,
    fails: 'expect((await db.runs()).map(({ status }) => status)).toEqual(["abandoned", "succeeded"]);',
  },
  {
    name: "what pg_stat_activity showed before is believed",
    file: LIVE_CLAIM,
    from: "perform pg_catalog.pg_stat_clear_snapshot();",
    to: "",
    check: claim.rememberedActivityIsForgotten,
    fails: "57014 const begun = await caller.client.query(\"select app.begin_run('lot_expiry', null) as run\");",
  },
  {
    name: "a run goes on in any statement of its session",
    file: RUN_BATCH,
    from: "    and r.statement_started_at = pg_catalog.statement_timestamp();",
    to: ";",
    check: claim.onlyItsStatementGoesOn,
    fails: 'expect(await errorOf(client.query("select app.run_batch($1)", [run]))).toMatchObject({ code: "MJ002" });',
  },
  {
    name: "anybody fails a run",
    file: "engine/routines/fail_run.sql",
    from: "    and backend_pid = pg_catalog.pg_backend_pid()\n    and statement_started_at = pg_catalog.statement_timestamp();",
    to: ";",
    check: claim.onlyItsStatementGoesOn,
    fails: "expect(await errorOf(client.query(\"select app.fail_run($1, '57014', 'x')\", [run]))).toMatchObject({",
  },
  {
    name: "a run that somebody ended goes on",
    file: RUN_BATCH,
    from: "  where run_id = p_run_id\n    and status = 'running';",
    to: "  where run_id = p_run_id;",
    check: claim.abandonedRunStops,
    fails: 'expect(await first).toMatchObject({ code: "MJ002" });',
  },
];
