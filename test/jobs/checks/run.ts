// What one run does: batches that commit, a record that survives, a limit that is kept.
import { expect } from "vitest";
import { errorOf, EXPIRE_LOTS, type JobsDatabase } from "../database.ts";

/** Lots that are due are debited to exactly 0 by one entry, an empty one by none; others stay as they are. */
export async function expiresOnceAndExactly(db: JobsDatabase): Promise<void> {
  const due = await db.lot("-1 hour", [1000, -300]);
  const empty = await db.lot("-1 hour", [100, -100]);
  const later = await db.lot("1 hour", [500]);
  await db.rows(EXPIRE_LOTS);
  expect(await db.lastRun()).toMatchObject({
    ...{
      status: "succeeded",
      scheduler: "manual",
      affected: 2,
      batches: 1,
      quarantined: 0,
      more: false,
      sqlstate: null,
    },
  });
  await db.rows(EXPIRE_LOTS);
  expect(await db.lastRun()).toMatchObject({ status: "succeeded", affected: 0, batches: 1 });
  expect(await db.expiries([due, empty, later])).toEqual([
    [0, 1],
    [0, 0],
    [500, 0],
  ]);
}

/** An error in the third batch: two batches stay, and the run's row; the error is raised; the next run does the rest. */
export async function errorInTheThirdBatch(db: JobsDatabase): Promise<void> {
  await db.setJob({ batchSize: 2 });
  const lots = await db.dueLots(5);
  await db.poison([lots[4]!], "53100");
  const error = await errorOf(db.rows(EXPIRE_LOTS));
  expect(error).toMatchObject({ code: "53100" });
  expect(error?.message).toMatch(/^job lot_expiry failed in run \d+: lot \d+ is poisoned$/);
  expect(await db.lastRun()).toMatchObject({ status: "failed", affected: 4, batches: 2, sqlstate: "53100" });
  expect(await db.rows("select error from app.job_runs")).toEqual([{ error: `lot ${lots[4]!} is poisoned` }]);
  expect(await db.expiries(lots)).toEqual([...Array.from({ length: 4 }, () => [0, 1]), [100, 0]]);
  await db.heal();
  await db.rows(EXPIRE_LOTS);
  expect(await db.lastRun()).toMatchObject({ status: "succeeded", affected: 1 });
  expect(await db.expiries(lots)).toEqual(lots.map(() => [0, 1]));
}

/** Whoever looks while a run is under way sees how far it came. */
export async function progressIsVisible(db: JobsDatabase): Promise<void> {
  await db.setJob({ batchSize: 2 });
  const lots = await db.dueLots(6);
  const holder = await db.holdLot(lots[4]!);
  const runner = await db.session();
  const run = errorOf(runner.client.query(EXPIRE_LOTS));
  await db.untilWaiting(runner);
  expect(await db.lastRun()).toMatchObject({ status: "running", affected: 4, batches: 2 });
  await holder.client.query("rollback");
  expect(await run).toBeUndefined();
  // Three full pages, and the question that finds nothing after them.
  expect(await db.lastRun()).toMatchObject({ status: "succeeded", affected: 6, batches: 4 });
}

/** Start and end are times of the clock: a run that slept in its one batch took as long as it slept. */
export async function timesAreOfTheClock(db: JobsDatabase): Promise<void> {
  await db.dueLots(1);
  await db.rows(
    "create function app.test_sleep() returns trigger language plpgsql as $$ begin perform pg_sleep(0.3); return new; end $$",
  );
  await db.rows(
    "create trigger test_sleep before insert on app.ledger_entries for each row execute function app.test_sleep()",
  );
  await db.rows(EXPIRE_LOTS);
  expect(await db.rows("select finished_at - started_at >= interval '0.3 s' as long from app.job_runs")).toEqual([
    { long: true },
  ]);
}

/** A run out of time stops between two batches and says that there is more; the next one goes on. */
export async function timeLimitEndsARun(db: JobsDatabase): Promise<void> {
  await db.setJob({ batchSize: 1, timeLimitSeconds: 1 });
  const lots = await db.dueLots(3);
  await db.rows(
    "create function app.test_sleep() returns trigger language plpgsql as $$ begin perform pg_sleep(1.1); return new; end $$",
  );
  await db.rows(
    "create trigger test_sleep before insert on app.ledger_entries for each row execute function app.test_sleep()",
  );
  await db.rows(EXPIRE_LOTS);
  expect(await db.lastRun()).toMatchObject({ status: "succeeded", affected: 1, more: true });
  expect(await db.rows("select behind from app.job_health where job = 'lot_expiry'")).toEqual([{ behind: true }]);
  await db.rows("drop trigger test_sleep on app.ledger_entries");
  await db.setJob({ timeLimitSeconds: 3600 });
  await db.rows(EXPIRE_LOTS);
  expect(await db.lastRun()).toMatchObject({ status: "succeeded", affected: 2, more: false });
  expect(await db.rows("select behind from app.job_health where job = 'lot_expiry'")).toEqual([{ behind: false }]);
  expect(await db.expiries(lots)).toEqual(lots.map(() => [0, 1]));
}

/** A batch function that would be asked for ever is an error of the run. */
export async function cursorMustMove(db: JobsDatabase): Promise<void> {
  await db.rows(
    `create function app.test_batch(p_now timestamptz, p_limit bigint, p_cursor jsonb, p_items text[], p_settings jsonb)
     returns app.batch_result language sql as $$ select (array['a'], p_cursor, false, 0)::app.batch_result $$`,
  );
  await db.rows(
    "update app.jobs set batch_function = 'app.test_batch', time_limit_seconds = 2 where name = 'lot_expiry'",
  );
  expect(await errorOf(db.rows(EXPIRE_LOTS))).toMatchObject({ code: "MJ010" });
  expect(await db.lastRun()).toMatchObject({ status: "failed", sqlstate: "MJ010" });
}

/** The batch function gets the settings of its job, and a size of batch. */
export async function settingsReachTheBatch(db: JobsDatabase): Promise<void> {
  await db.rows("create table app.test_calls (settings jsonb, size bigint, items text[])");
  await db.rows("grant insert on app.test_calls to public");
  await db.rows(
    `create function app.test_batch(p_now timestamptz, p_limit bigint, p_cursor jsonb, p_items text[], p_settings jsonb)
     returns app.batch_result language plpgsql as $$ begin
       insert into app.test_calls values (p_settings, p_limit, p_items);
       return (array['a'], null, true, 1)::app.batch_result;
     end $$`,
  );
  await db.rows(
    `update app.jobs set batch_function = 'app.test_batch', batch_size = 7, settings = '{"retentionDays": 3}'
     where name = 'lot_expiry'`,
  );
  await db.rows(EXPIRE_LOTS);
  expect(await db.rows("select settings, size, items from app.test_calls")).toEqual([
    { settings: { retentionDays: 3 }, size: "7", items: null },
    { settings: { retentionDays: 3 }, size: "7", items: ["a"] },
  ]);
}

/** An unknown job is refused by name. */
export async function unknownJobIsRefused(db: JobsDatabase): Promise<void> {
  expect(await errorOf(db.rows("call app.run_job('nope')"))).toMatchObject({ code: "MJ001" });
}
