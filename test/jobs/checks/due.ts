// A call for a due time: what it does depends on what has happened since.
import { expect } from "vitest";
import { errorOf, EXPIRE_LOTS, type JobsDatabase } from "../database.ts";
import { waitFor } from "../../server.ts";
import { makeTestJobs, TEST_JOBS } from "../test-jobs.ts";

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

/** A job is overdue from its due time on until a run began, succeeded and left nothing over; catch-up runs it. */
export async function overdueUntilACompleteSuccess(db: JobsDatabase): Promise<void> {
  const overdue = async () =>
    (
      await db.rows<{ it: boolean }>(
        `select overdue_since is not distinct from app.last_due('lot_expiry', clock_timestamp()) as it
         from app.job_health where job = 'lot_expiry'`,
      )
    )[0]!.it;
  await scheduleDaily(db, "lot_expiry");
  expect(await overdue()).toBe(true);
  await db.rows("update app.jobs set due_from = clock_timestamp()");
  expect(await overdue()).toBe(false);
  await db.rows("call app.run_overdue()");
  await db.rows("update app.jobs set due_from = '-infinity', enabled = false");
  expect(await overdue()).toBe(false);
  await db.rows("call app.run_overdue()");
  expect(await db.runs()).toEqual([]);
  await db.rows("update app.jobs set enabled = true");

  const [lot] = await db.dueLots(1);
  await db.poison([lot!], "53100");
  expect(await errorOf(db.rows("call app.run_overdue()"))).toMatchObject({ code: "MJ012" });
  expect(await overdue()).toBe(true);
  // It failed just now: catch-up leaves it alone for two minutes, and says nothing.
  await db.heal();
  await db.rows("call app.run_overdue()");
  expect(await db.runs()).toMatchObject([{ status: "failed" }]);
  await db.rows("update app.job_runs set finished_at = finished_at - interval '2 minutes'");
  await db.rows("call app.run_overdue()");
  expect(await db.lastRun()).toMatchObject({ status: "succeeded", affected: 1 });
  expect(await overdue()).toBe(false);
  await db.rows("update app.job_runs set more = true where status = 'succeeded'");
  expect(await overdue()).toBe(true);
  await db.rows("call app.run_overdue()");
  await db.rows("call app.run_overdue()");
  expect((await db.runs()).map(({ status, more }) => [status, more])).toEqual([
    ["failed", false],
    ["succeeded", true],
    ["succeeded", false],
  ]);
}

/**
 * A server that stood still over the due time: pg_cron has forgotten it, and the next catch-up, which comes within a quarter
 * of an hour once the scheduler's five minutes are over, runs it. That a catch-up ran the day before at another hour, less
 * than a day ago, makes no difference.
 */
export async function stopOverTheDueTimeIsCaughtUp(db: JobsDatabase): Promise<void> {
  const [lot] = await db.dueLots(1);
  await scheduleDaily(db, "lot_expiry");
  await db.rows(
    `insert into app.job_runs (job_id, scheduler, status, due, started_at, finished_at)
     select job_id, 'pg_cron', 'succeeded', d.due - interval '1 day', d.due - late, d.due - late
     from app.jobs, unnest(array[interval '1 day', interval '1 hour']) as late,
       lateral (select app.last_due('lot_expiry', clock_timestamp()) as due) as d
     where name = 'lot_expiry'`,
  );
  await db.rows("call app.run_overdue()");
  await db.rows("call app.run_overdue()");
  expect(await db.runs()).toHaveLength(3);
  expect(await db.lastRun()).toMatchObject({ status: "succeeded", affected: 1 });
  expect(
    await db.rows(
      "select due = app.last_due('lot_expiry', started_at) as it from app.job_runs order by run_id desc limit 1",
    ),
  ).toEqual([{ it: true }]);
  expect(await db.balance(lot!)).toBe(0);
}

/** Catch-up runs every overdue job in one statement, also after one failed, and raises once at the end. */
export async function catchUpRunsThemAll(db: JobsDatabase): Promise<void> {
  await makeTestJobs(db);
  for (const kind of Object.keys(TEST_JOBS)) await scheduleDaily(db, kind);
  await db.rows("update app.jobs set enabled = false where name in ('cancelled', 'terminated')");
  const error = await errorOf(db.rows("call app.run_overdue()"));
  expect(error).toMatchObject({ code: "MJ012" });
  expect(error?.message).toMatch(/^1 of 3 overdue jobs failed: job failing failed in run \d+: the disk is full$/);
  expect(await db.lastRun("failing")).toMatchObject({ status: "failed", affected: 1, sqlstate: "53100" });
  expect(await db.lastRun("good")).toMatchObject({ status: "succeeded", affected: 3 });
  expect(await db.lastRun("poisoned")).toMatchObject({ status: "succeeded", affected: 2, quarantined: 1 });
  const claims = await db.rows("select distinct backend_pid, statement_started_at from app.job_runs");
  expect(claims).toHaveLength(1);
}

/** Catch-up runs what moves money first, however long the others are overdue, and also when it became due meanwhile. */
export async function catchUpRunsMoneyFirst(db: JobsDatabase): Promise<void> {
  await makeTestJobs(db);
  await db.rows(
    `create function app.test_wake(p_now timestamptz, p_limit bigint, p_cursor jsonb, p_items text[], p_settings jsonb)
     returns app.batch_result language sql as $$
       update app.jobs set due_from = '-infinity' where name = 'lot_expiry';
       select (null, null, true, null)::app.batch_result $$`,
  );
  for (const job of ["good", "failing", "ops_cleanup", "lot_expiry"]) await scheduleDaily(db, job);
  await db.rows("update app.jobs set batch_function = 'app.test_wake' where name = 'failing'");
  await db.rows("update app.jobs set due_from = clock_timestamp() where name = 'lot_expiry'");
  await db.rows("call app.run_overdue()");
  const order = await db.rows<{ name: string }>(
    "select name from app.job_runs join app.jobs using (job_id) order by run_id",
  );
  expect(order.map(({ name }) => name)).toEqual(["ops_cleanup", "failing", "lot_expiry", "good"]);
}

/** Runs that began and failed later than now, as after the clock was set back, neither close a due time nor space its calls. */
export async function clockSetBackStopsNothing(db: JobsDatabase): Promise<void> {
  await scheduleDaily(db, "lot_expiry");
  await db.rows(
    `insert into app.job_runs (job_id, scheduler, status, started_at, finished_at)
     select job_id, 'manual', s, clock_timestamp() + interval '5 hours', clock_timestamp() + interval '5 hours'
     from app.jobs, unnest(array['succeeded', 'failed']) as s where name = 'lot_expiry'`,
  );
  const overdue = () => db.rows("select overdue_since is not null as it from app.job_health where job = 'lot_expiry'");
  expect(await overdue()).toEqual([{ it: true }]);
  await db.rows("call app.run_overdue()");
  await db.rows("call app.run_overdue()");
  expect(await overdue()).toEqual([{ it: false }]);
  expect((await db.runs()).map(({ status }) => status)).toEqual(["succeeded", "failed", "succeeded"]);
}

/** Who cancels catch-up means all of it. */
export async function cancelledCatchUpStops(db: JobsDatabase): Promise<void> {
  await makeTestJobs(db);
  await scheduleDaily(db, "cancelled");
  await scheduleDaily(db, "good");
  const runner = await db.session();
  const run = errorOf(runner.client.query("call app.run_overdue()"));
  await waitFor(async () => (await db.lastRun("cancelled"))?.batches === 1, { what: "the first job is under way" });
  await db.rows("select pg_cancel_backend($1)", [runner.pid]);
  expect(await run).toMatchObject({ code: "57014" });
  expect(await db.lastRun("cancelled")).toMatchObject({ status: "failed", sqlstate: "57014" });
  expect(await db.runs("good")).toEqual([]);
}

/** Gives a job a daily schedule whose last due time is about twelve hours ago, and makes that count. */
async function scheduleDaily(db: JobsDatabase, job: string): Promise<void> {
  const days = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
  await db.rows(
    `update app.jobs set enabled = true, due_from = '-infinity', schedule = 'daily', due_schedule =
       $2::jsonb || jsonb_build_object('hours', jsonb_build_array(mod(extract(hour from now() at time zone 'GMT')::int + 12, 24)))
     where name = $1`,
    [
      job,
      {
        minutes: [0],
        daysOfMonth: days(1, 31),
        months: days(1, 12),
        daysOfWeek: days(0, 6),
        domStar: true,
        dowStar: true,
        lastDayOfMonth: false,
      },
    ],
  );
}

/** Makes the engine take every caller for pg_cron, or for who else. */
async function callAsPgCron(db: JobsDatabase, scheduler = "pg_cron"): Promise<void> {
  await db.rows(
    `create or replace function app.scheduler_of_session() returns text language sql as $$ select '${scheduler}' $$`,
  );
}
