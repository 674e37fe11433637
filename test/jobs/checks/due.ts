// A call for a due time: what it does depends on what has happened since.
import { expect } from "vitest";
import { errorOf, EXPIRE_LOTS, type JobsDatabase } from "../database.ts";
import { scheduleDaily } from "../schedule-daily.ts";

const HOUR_AGO = "call app.run_job('lot_expiry', clock_timestamp() - interval '1 hour')";

async function callFor(db: JobsDatabase, due: string): Promise<void> {
  await db.rows("call app.run_job('lot_expiry', $1::timestamptz)", [due]);
}

export async function futureDueIsRefused(db: JobsDatabase): Promise<void> {
  const call = "call app.run_job('lot_expiry', clock_timestamp() + interval '1 minute')";
  expect(await errorOf(db.rows(call))).toMatchObject({ code: "MJ011" });
  expect(await db.runs()).toEqual([]);
}

/** A complete success that began at or after the due time closes it: a further call does nothing and writes no row. */
export async function completeSuccessClosesIt(db: JobsDatabase): Promise<void> {
  await db.rows(HOUR_AGO);
  await db.rows(HOUR_AGO);
  expect(await db.runs()).toHaveLength(1);
  const [run] = await db.rows<{ began: string; later: string }>(
    "select started_at::text as began, (started_at + interval '1 microsecond')::text as later from app.job_runs",
  );
  await callFor(db, run!.began);
  expect(await db.runs()).toHaveLength(1);
  // One that began before it does not.
  await callFor(db, run!.later);
  expect((await db.runs()).map(({ status }) => status)).toEqual(["succeeded", "succeeded"]);
  // And a call for no due time always runs.
  await db.rows(EXPIRE_LOTS);
  expect(await db.runs()).toHaveLength(3);
}

/** A run that was out of time leaves the due time open. */
export async function outOfTimeLeavesItOpen(db: JobsDatabase): Promise<void> {
  await db.rows(HOUR_AGO);
  await db.rows("update app.job_runs set more = true");
  await db.rows(HOUR_AGO);
  expect((await db.runs()).map(({ more }) => more)).toEqual([true, false]);
}

/** Beside a run that began before the due time there is one skipped row, however many call; beside a later one none. */
export async function oneSkippedRowForADueTime(db: JobsDatabase): Promise<void> {
  const [lot] = await db.dueLots(1);
  const holder = await db.holdLot(lot!);
  const runner = await db.session();
  const run = errorOf(runner.client.query(EXPIRE_LOTS));
  await db.untilWaiting(runner);
  const [after] = await db.rows<{ it: string }>(
    "select (started_at + interval '1 microsecond')::text as it from app.job_runs where status = 'running'",
  );
  await db.rows(HOUR_AGO);
  expect(await db.runs()).toMatchObject([{ status: "running" }]);
  await callFor(db, after!.it);
  await callFor(db, after!.it);
  expect(await db.runs()).toMatchObject([{ status: "running" }, { status: "skipped" }]);
  await db.rows(EXPIRE_LOTS);
  await db.rows(EXPIRE_LOTS);
  expect((await db.runs()).map(({ status }) => status)).toEqual(["running", "skipped", "skipped", "skipped"]);
  await holder.client.query("rollback");
  expect(await run).toBeUndefined();
}

/** After n failures since the due time, calls for it do nothing for min(2^n, 60) minutes; others are not held up. */
export async function failuresSpaceTheCalls(db: JobsDatabase): Promise<void> {
  const minutes = [2, 4, 8, 16, 32, 60, 60];
  for (const [before, wait] of minutes.entries()) {
    await db.rows("delete from app.job_runs");
    // Before the due time, so that they do not count.
    await addFailures(db, { howMany: 3, started: "3 hours", finished: "1 second" });
    await addFailures(db, { howMany: before, started: "100 minutes", finished: "99 minutes" });
    await addFailures(db, { howMany: 1, started: "100 minutes", finished: `${String(wait)} minutes -30 seconds` });
    const failed = 4 + before;
    await db.rows("call app.run_job('lot_expiry', clock_timestamp() - interval '2 hours')");
    expect(await db.runs(), `${String(before + 1)} failures`).toHaveLength(failed);
    await db.rows("update app.job_runs set finished_at = finished_at - interval '31 seconds'");
    await db.rows("call app.run_job('lot_expiry', clock_timestamp() - interval '2 hours')");
    expect((await db.runs()).at(-1), `${String(before + 1)} failures`).toMatchObject({ status: "succeeded" });
  }
  await addFailures(db, { howMany: 5, started: "1 minute", finished: "1 second" });
  await db.rows(EXPIRE_LOTS);
  expect(await db.lastRun()).toMatchObject({ status: "succeeded" });
}

/** A job that failed thousands of times still waits an hour, and no number overflows. */
export async function manyFailuresWaitAnHour(db: JobsDatabase): Promise<void> {
  await addFailures(db, { howMany: 3000, started: "30 minutes", finished: "20 minutes" });
  await db.rows(HOUR_AGO);
  expect(await db.runs()).toHaveLength(3000);
  await db.rows("update app.job_runs set finished_at = finished_at - interval '41 minutes'");
  await db.rows(HOUR_AGO);
  expect(await db.lastRun()).toMatchObject({ status: "succeeded" });
}

async function addFailures(
  db: JobsDatabase,
  failures: { readonly howMany: number; readonly started: string; readonly finished: string },
): Promise<void> {
  await db.rows(
    `insert into app.job_runs (job_id, scheduler, status, started_at, finished_at)
     select job_id, 'manual', 'failed', clock_timestamp() - $2::interval, clock_timestamp() - $3::interval
     from app.jobs, generate_series(1, $1::int) where name = 'lot_expiry'`,
    [failures.howMany, failures.started, failures.finished],
  );
}

/**
 * A run whose session died spaces the calls for its due time as one that failed does, from its beginning on; a call by hand
 * goes at once.
 */
export async function abandonedRunsSpaceTheCalls(db: JobsDatabase): Promise<void> {
  const die = async (due: string | null) => {
    const left = await db.session();
    const begun = await left.client.query<{ run: string | null }>("select app.begin_run('lot_expiry', $1) as run", [
      due,
    ]);
    await db.untilIdle(left);
    return begun.rows[0]!.run;
  };
  const [hourAgo] = await db.rows<{ it: string }>("select (clock_timestamp() - interval '1 hour')::text as it");
  const statuses = async () => (await db.runs()).map(({ status }) => status);
  const older = (minutes: number) =>
    db.rows("update app.job_runs set started_at = started_at - make_interval(secs => 60 * $1::float8)", [minutes]);
  expect(await die(hourAgo!.it)).not.toBeNull();
  await callFor(db, hourAgo!.it);
  await callFor(db, hourAgo!.it);
  expect(await statuses()).toEqual(["abandoned"]);
  await older(1.9);
  await callFor(db, hourAgo!.it);
  expect(await statuses()).toEqual(["abandoned"]);
  await older(0.1);
  // Found dead long after it began: there is nothing to wait for any more.
  expect(await die(hourAgo!.it)).not.toBeNull();
  await older(3.9);
  await callFor(db, hourAgo!.it);
  expect(await statuses()).toEqual(["abandoned", "abandoned"]);
  await older(0.1);
  await callFor(db, hourAgo!.it);
  expect(await statuses()).toEqual(["abandoned", "abandoned", "succeeded"]);

  await die(null);
  await db.rows(EXPIRE_LOTS);
  expect((await statuses()).slice(3)).toEqual(["abandoned", "succeeded"]);
}

/** A runner's call is for the last due time here: it may know an older schedule, or other data of the time zone. */
export async function runnerComesForWhatIsDue(db: JobsDatabase): Promise<void> {
  await callAsPgCron(db, "runner");
  const dues = () =>
    db.rows<{ is: boolean }>(
      "select due = app.last_due('lot_expiry', started_at) as is from app.job_runs where status = 'succeeded' order by run_id",
    );
  const lateCall =
    "call app.run_job('lot_expiry', app.last_due('lot_expiry', clock_timestamp()) + interval '90 minutes')";
  for (const timezone of ["GMT", "America/New_York"]) {
    await db.rows("delete from app.job_runs");
    await scheduleDaily(db, "lot_expiry");
    await db.rows("update app.jobs set timezone = $1 where name = 'lot_expiry'", [timezone]);
    await db.rows(lateCall);
    expect(await dues(), timezone).toEqual([{ is: true }]);
    // It is done: at a time when nothing is due there is nothing to do.
    await db.rows(lateCall);
    await db.rows("call app.run_job('lot_expiry', clock_timestamp())");
    expect(await dues(), timezone).toHaveLength(1);
  }
  // Of a zone that is not known here the runner alone can say.
  await db.rows("update app.jobs set timezone = 'Mars/Olympus' where name = 'lot_expiry'");
  await db.rows("call app.run_job('lot_expiry', clock_timestamp())");
  expect(await db.runs()).toHaveLength(2);
  // Seconds have no due times, and a job that is run by hand alone has none at all.
  await db.rows(`update app.jobs set timezone = 'GMT', schedule = '30 seconds', due_schedule = '{"every": 30}'`);
  await db.rows("call app.run_job('lot_expiry', clock_timestamp())");
  expect(await db.runs()).toHaveLength(3);
  await db.rows("update app.jobs set schedule = null, due_schedule = null");
  await db.rows("call app.run_job('lot_expiry', clock_timestamp())");
  expect(await db.runs()).toHaveLength(3);
}

/** What pg_cron calls without a due time runs once for the last one of its schedule; a call by hand always runs. */
export async function schedulerRunsOncePerDueTime(db: JobsDatabase): Promise<void> {
  await callAsPgCron(db);
  await scheduleDaily(db, "lot_expiry");
  await db.rows("update app.jobs set due_from = clock_timestamp()");
  await db.rows(EXPIRE_LOTS);
  expect(await db.runs()).toEqual([]);
  await db.rows("update app.jobs set due_from = '-infinity', enabled = false");
  await db.rows(EXPIRE_LOTS);
  expect(await db.runs()).toEqual([]);
  await db.rows("update app.jobs set enabled = true");
  await db.rows(EXPIRE_LOTS);
  await db.rows(EXPIRE_LOTS);
  expect(await db.runs()).toMatchObject([{ status: "succeeded", scheduler: "pg_cron" }]);
  expect(await db.rows("select due = app.last_due('lot_expiry', started_at) as it from app.job_runs")).toEqual([
    { it: true },
  ]);
  await db.rows(`update app.jobs set schedule = '30 seconds', due_schedule = '{"every": 30}'`);
  await db.rows(EXPIRE_LOTS);
  expect(await db.runs()).toHaveLength(2);
  await callAsPgCron(db, "manual");
  await scheduleDaily(db, "lot_expiry");
  await db.rows(EXPIRE_LOTS);
  expect(await db.runs()).toHaveLength(3);
}

/** The runner learns of a pause at its next visit: until then the row decides. */
export async function runnerIsHeldBackByAPause(db: JobsDatabase): Promise<void> {
  await callAsPgCron(db, "runner");
  await scheduleDaily(db, "lot_expiry");
  const run = () => db.rows("call app.run_job('lot_expiry', app.last_due('lot_expiry', clock_timestamp()))");
  await db.rows("update app.jobs set enabled = false");
  await run();
  await db.rows("update app.jobs set enabled = true, due_from = clock_timestamp()");
  await run();
  expect(await db.runs()).toEqual([]);
  await callAsPgCron(db, "manual");
  await run();
  expect(await db.runs()).toMatchObject([{ status: "succeeded", scheduler: "manual" }]);
}

/** Makes the engine take every caller for pg_cron, or for who else. */
async function callAsPgCron(db: JobsDatabase, scheduler = "pg_cron"): Promise<void> {
  await db.rows(
    `create or replace function app.scheduler_of_session() returns text language sql as $$ select '${scheduler}' $$`,
  );
}
