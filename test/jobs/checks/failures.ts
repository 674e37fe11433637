// What ends a run from outside: its row says so, its batches stay, nothing is held, and the very next run goes.
import { expect } from "vitest";
import { errorOf, EXPIRE_LOTS, type JobsDatabase, type Session } from "../database.ts";

/** A run over three lots, one a batch, that waits for the second; what then ends it is `end`. */
async function endInTheSecondBatch(
  db: JobsDatabase,
  how: {
    readonly prepare?: (runner: Session) => Promise<unknown>;
    readonly end?: (runner: Session, holder: Session) => Promise<unknown>;
    readonly sqlstate: string;
  },
): Promise<void> {
  await db.setJob({ batchSize: 1 });
  const lots = await db.dueLots(3);
  const runner = await db.session();
  await how.prepare?.(runner);
  const holder = await db.holdLot(lots[1]!);
  const run = errorOf(runner.client.query(EXPIRE_LOTS));
  if (how.end) {
    await db.untilWaiting(runner);
    await how.end(runner, holder);
  }
  expect(await run).toMatchObject({ code: how.sqlstate });
  expect(await db.lastRun()).toMatchObject({ status: "failed", affected: 1, batches: 1, sqlstate: how.sqlstate });
  expect(await db.expiries(lots)).toEqual([
    [0, 1],
    [100, 0],
    [100, 0],
  ]);
  await holder.client.query("rollback");
  // The session that failed stays open meanwhile.
  await db.rows(EXPIRE_LOTS);
  expect(await db.lastRun()).toMatchObject({ status: "succeeded", affected: 2 });
  expect(await db.expiries(lots)).toEqual(lots.map(() => [0, 1]));
  expect(await db.engineLocks()).toEqual([]);
  expect(await db.rows("select from app.job_quarantine")).toEqual([]);
}

export async function cancelledRunFails(db: JobsDatabase): Promise<void> {
  await endInTheSecondBatch(db, {
    end: (runner) => db.rows("select pg_cancel_backend($1)", [runner.pid]),
    sqlstate: "57014",
  });
}

export async function statementTimeoutFailsTheRun(db: JobsDatabase): Promise<void> {
  await endInTheSecondBatch(db, {
    // Of the whole call: the first batch must be done by then on a slow machine too.
    prepare: ({ client }) => client.query("set statement_timeout = '4s'"),
    sqlstate: "57014",
  });
}

export async function lockTimeoutFailsTheRun(db: JobsDatabase): Promise<void> {
  // What a batch waits at most is set on the functions; here less, so that the test need not wait so long.
  await db.rows(
    "alter function app.expire_lots_batch(timestamptz, bigint, jsonb, text[], jsonb) set lock_timeout = '200ms'",
  );
  await endInTheSecondBatch(db, { sqlstate: "55P03" });
}

export async function serializationFailureFailsTheRun(db: JobsDatabase): Promise<void> {
  await endInTheSecondBatch(db, {
    prepare: ({ client }) => client.query("set default_transaction_isolation = 'repeatable read'"),
    end: async (_, { client }) => {
      await client.query("update app.lots set account = 'b' where lot_id in (select max(lot_id) - 1 from app.lots)");
      await client.query("commit");
    },
    sqlstate: "40001",
  });
}

/** Errors that are of the moment, not of an item: each fails the run, and nothing goes into quarantine. */
export async function errorsOfTheMomentFailTheRun(db: JobsDatabase): Promise<void> {
  await db.setJob({ batchSize: 1 });
  for (const sqlstate of ["53100", "40001", "40P01", "55P03", "57014", "58030", "XX000", "P0004", "0A000", "42501"]) {
    const lots = await db.dueLots(2);
    await db.poison([lots[1]!], sqlstate);
    expect(await errorOf(db.rows(EXPIRE_LOTS)), sqlstate).toMatchObject({ code: sqlstate });
    expect(await db.lastRun(), sqlstate).toMatchObject({ status: "failed", affected: 1, sqlstate });
    expect(await db.rows("select from app.job_quarantine")).toEqual([]);
    await db.heal();
    await db.rows(EXPIRE_LOTS);
    expect(await db.expiries(lots), sqlstate).toEqual([
      [0, 1],
      [0, 1],
    ]);
  }
}

/** A job that cannot be claimed says so to its caller, leaves a row that says why, and holds nothing. */
export async function claimThatFailsLeavesARow(db: JobsDatabase): Promise<void> {
  await db.rows("alter function app.begin_run(text, timestamptz) set lock_timeout = '100ms'");
  const claimer = await db.session();
  await claimer.client.query("begin");
  await claimer.client.query("select app.begin_run('lot_expiry', null)");
  const call = "call app.run_job('lot_expiry', clock_timestamp() - interval '1 hour')";
  expect(await errorOf(db.rows(call))).toMatchObject({ code: "55P03" });
  expect(await db.runs()).toMatchObject([{ status: "failed", affected: 0, batches: 0, sqlstate: "55P03" }]);
  expect(
    await db.rows("select error, finished_at >= started_at and due < started_at as timed from app.job_runs"),
  ).toEqual([{ error: "canceling statement due to lock timeout", timed: true }]);
  await db.rows("alter function app.begin_run(text, timestamptz) set lock_timeout = '5min'");
  const waiting = await db.session();
  const cancelled = errorOf(waiting.client.query(EXPIRE_LOTS));
  await db.untilWaiting(waiting);
  await db.rows("select pg_cancel_backend($1)", [waiting.pid]);
  expect(await cancelled).toMatchObject({ code: "57014" });
  await claimer.client.query("rollback");
  await db.rows(EXPIRE_LOTS);
  expect((await db.runs()).map(({ status, sqlstate }) => [status, sqlstate])).toEqual([
    ["failed", "55P03"],
    ["failed", "57014"],
    ["succeeded", null],
  ]);
}

/** A table that is locked keeps the row away too, and the caller still hears of it. */
export async function lockedTableIsRaised(db: JobsDatabase): Promise<void> {
  await db.rows("alter function app.begin_run(text, timestamptz) set lock_timeout = '100ms'");
  await db.rows("alter procedure app.fail_claim(text, timestamptz, text, text) set lock_timeout = '100ms'");
  const holder = await db.session();
  await holder.client.query("begin; lock table app.job_runs in exclusive mode");
  const error = await errorOf(db.rows(EXPIRE_LOTS));
  expect(error).toMatchObject({ code: "55P03" });
  expect(error?.message).toMatch(/^job lot_expiry did not start: /);
  await holder.client.query("rollback");
  expect(await db.runs()).toEqual([]);
  await db.rows(EXPIRE_LOTS);
  expect((await db.runs()).map(({ status }) => status)).toEqual(["succeeded"]);
}

/** A cancel that comes while an attempt that could not claim is recorded is raised as one, so that catch-up stops. */
export async function cancelWhileRecordingIsRaised(db: JobsDatabase): Promise<void> {
  await db.rows(
    `create or replace function app.live_claim(p_job_id bigint) returns app.job_runs language plpgsql as $$
     begin raise exception 'no room' using errcode = '53100'; end $$`,
  );
  const holder = await db.session();
  await holder.client.query("begin; lock table app.job_runs in exclusive mode");
  const runner = await db.session();
  const run = errorOf(runner.client.query(EXPIRE_LOTS));
  await db.untilWaiting(runner);
  await db.rows("select pg_cancel_backend($1)", [runner.pid]);
  expect(await run).toMatchObject({ code: "57014" });
}
