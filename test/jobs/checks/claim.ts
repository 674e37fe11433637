// Who may run a job: one at a time, and the very next one after whatever happened.
import { expect } from "vitest";
import { errorOf, EXPIRE_LOTS, type JobsDatabase } from "../database.ts";

/** Of several callers at once one runs at a time, and each due lot is expired once; the others leave a skipped row. */
export async function callersAtOnce(db: JobsDatabase, howMany: number): Promise<void> {
  await db.setJob({ batchSize: 5 });
  const lots = await db.dueLots(100);
  const sessions = await Promise.all(Array.from({ length: howMany }, () => db.session()));
  const errors = await Promise.all(sessions.map(({ client }) => errorOf(client.query(EXPIRE_LOTS))));
  expect(errors).toEqual(sessions.map(() => undefined));
  expect(await db.expiries(lots)).toEqual(lots.map(() => [0, 1]));
  const runs = await db.runs();
  expect(runs).toHaveLength(howMany);
  expect(runs.filter(({ status }) => status !== "succeeded" && status !== "skipped")).toEqual([]);
  expect(runs.reduce((sum, { affected }) => sum + affected, 0)).toBe(lots.length);
  const overlaps = await db.rows(
    `select from app.job_runs as a join app.job_runs as b on a.run_id < b.run_id and b.started_at < a.finished_at
     where a.status = 'succeeded' and b.status = 'succeeded'`,
  );
  expect(overlaps).toEqual([]);
}

/** While a run waits in its batch, another caller leaves a skipped row and changes nothing. */
export async function secondCallerIsSkipped(db: JobsDatabase): Promise<void> {
  const [lot] = await db.dueLots(1);
  const holder = await db.holdLot(lot!);
  const runner = await db.session();
  const run = errorOf(runner.client.query(EXPIRE_LOTS));
  await db.untilWaiting(runner);
  await db.rows("set statement_timeout = '10s'");
  await db.rows(EXPIRE_LOTS);
  expect(await db.runs()).toMatchObject([
    { status: "running", pid: runner.pid },
    { status: "skipped", affected: 0, batches: 0 },
  ]);
  await holder.client.query("rollback");
  expect(await run).toBeUndefined();
  expect(await db.runs()).toMatchObject([{ status: "succeeded", affected: 1 }, { status: "skipped" }]);
}

/** A caller that meets one that is just claiming waits for it, and gets no error. */
export async function callerWaitsForAClaim(db: JobsDatabase): Promise<void> {
  const claimer = await db.session();
  await claimer.client.query("begin");
  await claimer.client.query("select app.begin_run('lot_expiry', null)");
  const runner = await db.session();
  const run = errorOf(runner.client.query(EXPIRE_LOTS));
  await db.untilWaiting(runner);
  // Its statement is over, so the claim that now shows is a dead one.
  await claimer.client.query("commit");
  expect(await run).toBeUndefined();
  expect((await db.runs()).map(({ status }) => status)).toEqual(["abandoned", "succeeded"]);
}

/** Nothing but one running row of a job can be in the table, whoever writes there. */
export async function neverTwoRunningRows(db: JobsDatabase): Promise<void> {
  const insert = `insert into app.job_runs (job_id, scheduler, status)
    select job_id, 'manual', 'running' from app.jobs where name = 'lot_expiry'`;
  await db.rows(insert);
  expect(await errorOf(db.rows(insert))).toMatchObject({ code: "23505" });
}

/** A claim whose session was cancelled, and stays open, holds nobody up. */
export async function idleSessionIsNoClaim(db: JobsDatabase): Promise<void> {
  const [lot] = await db.dueLots(1);
  const left = await db.session();
  // As a cancel during COMMIT leaves it: the row says running, the session is idle with the start of that statement.
  await left.client.query("select app.begin_run('lot_expiry', null)");
  await db.untilIdle(left);
  await db.rows(EXPIRE_LOTS);
  expect((await db.runs()).map(({ status }) => status)).toEqual(["abandoned", "succeeded"]);
  expect(await db.balance(lot!)).toBe(0);
}

/** A claim whose session is busy with another statement by now holds nobody up. */
export async function otherStatementIsNoClaim(db: JobsDatabase): Promise<void> {
  const [lot] = await db.dueLots(1);
  const holder = await db.session();
  await holder.client.query("select pg_advisory_lock(1)");
  const left = await db.session();
  await left.client.query("select app.begin_run('lot_expiry', null)");
  const busy = errorOf(left.client.query("select pg_advisory_lock(1)"));
  await db.untilWaiting(left);
  await db.rows(EXPIRE_LOTS);
  expect((await db.runs()).map(({ status }) => status)).toEqual(["abandoned", "succeeded"]);
  expect(await db.balance(lot!)).toBe(0);
  await holder.client.query("select pg_advisory_unlock(1)");
  expect(await busy).toBeUndefined();
}

/** A session whose state the functions' owner may not see counts as alive. */
export async function hiddenSessionIsAlive(db: JobsDatabase): Promise<void> {
  const [lot] = await db.dueLots(1);
  const holder = await db.holdLot(lot!);
  const runner = await db.session();
  const run = errorOf(runner.client.query(EXPIRE_LOTS));
  await db.untilWaiting(runner);
  // An owner that is in no role of the server's, as one that lost pg_read_all_stats.
  const blind = `${db.name}_blind`;
  await db.rows(`create role ${blind}`);
  await db.rows(`grant usage on schema app to ${blind}`);
  await db.rows(`grant select on app.job_runs to ${blind}`);
  await db.rows(`alter function app.live_claim(bigint) owner to ${blind}`);
  await db.rows("grant execute on function app.live_claim(bigint) to public");
  await db.rows("set statement_timeout = '10s'");
  await db.rows(EXPIRE_LOTS);
  expect((await db.runs()).map(({ status }) => status)).toEqual(["running", "skipped"]);
  await holder.client.query("rollback");
  expect(await run).toBeUndefined();
}

/** A caller that has looked at pg_stat_activity before, in the same transaction, still sees a run that began since. */
export async function rememberedActivityIsForgotten(db: JobsDatabase): Promise<void> {
  const [lot] = await db.dueLots(1);
  const holder = await db.holdLot(lot!);
  const runner = await db.session();
  const caller = await db.session();
  await caller.client.query("begin");
  await caller.client.query("select count(*) from pg_stat_activity");
  const run = errorOf(runner.client.query(EXPIRE_LOTS));
  await db.untilWaiting(runner);
  await caller.client.query("set local statement_timeout = '10s'");
  const begun = await caller.client.query("select app.begin_run('lot_expiry', null) as run");
  expect(begun.rows).toEqual([{ run: null }]);
  await caller.client.query("commit");
  await holder.client.query("rollback");
  expect(await run).toBeUndefined();
  expect((await db.runs()).map(({ status }) => status)).toEqual(["succeeded", "skipped"]);
}

/** A run whose session was terminated becomes abandoned, and the very next one goes. */
export async function terminatedRunIsAbandoned(db: JobsDatabase): Promise<void> {
  const [lot] = await db.dueLots(1);
  const holder = await db.holdLot(lot!);
  const runner = await db.session();
  const run = errorOf(runner.client.query(EXPIRE_LOTS));
  await db.untilWaiting(runner);
  await db.rows("select pg_terminate_backend($1)", [runner.pid]);
  expect(await run).toBeDefined();
  await holder.client.query("rollback");
  await db.untilGone(runner);
  await db.rows(EXPIRE_LOTS);
  expect(await db.runs()).toMatchObject([
    { status: "abandoned", pid: runner.pid },
    { status: "succeeded", affected: 1 },
  ]);
  expect(await db.balance(lot!)).toBe(0);
}

/** Nobody goes on with a run, or ends it, but the statement that began it. */
export async function onlyItsStatementGoesOn(db: JobsDatabase): Promise<void> {
  await db.dueLots(1);
  const owner = await db.session();
  const begun = await owner.client.query<{ run: string }>("select app.begin_run('lot_expiry', null) as run");
  const run = begun.rows[0]!.run;
  for (const client of [owner.client, (await db.session()).client]) {
    expect(await errorOf(client.query("select app.run_batch($1)", [run]))).toMatchObject({ code: "MJ002" });
    expect(await errorOf(client.query("select app.fail_run($1, '57014', 'x')", [run]))).toMatchObject({
      code: "MJ002",
    });
  }
  expect(await db.runs()).toMatchObject([{ status: "running", batches: 0 }]);
}

/** A run that was wrongly taken for dead does nothing more: whoever took its place waits for its batch, then goes. */
export async function abandonedRunStops(db: JobsDatabase): Promise<void> {
  await db.setJob({ batchSize: 1 });
  const lots = await db.dueLots(3);
  const holder = await db.holdLot(lots[0]!);
  const taken = await db.session();
  const first = errorOf(taken.client.query(EXPIRE_LOTS));
  await db.untilWaiting(taken);
  await db.rows("update app.job_runs set status = 'abandoned', finished_at = clock_timestamp()");
  const next = await db.session();
  const second = errorOf(next.client.query(EXPIRE_LOTS));
  await db.untilWaiting(next);
  expect(await db.engineLocks()).toContainEqual({ pid: next.pid, granted: false });
  await holder.client.query("rollback");
  expect(await first).toMatchObject({ code: "MJ002" });
  expect(await second).toBeUndefined();
  expect(await db.expiries(lots)).toEqual(lots.map(() => [0, 1]));
}

/** A claim whose pid is now a process of the server's own, as after a restart, holds nobody up. */
export async function serverProcessIsNoClaim(db: JobsDatabase): Promise<void> {
  const left = await db.session();
  await left.client.query("select app.begin_run('lot_expiry', null)");
  await db.rows(
    "update app.job_runs set backend_pid = (select pid from pg_stat_activity where backend_type = 'checkpointer')",
  );
  await db.rows(EXPIRE_LOTS);
  expect((await db.runs()).map(({ status }) => status)).toEqual(["abandoned", "succeeded"]);
}
