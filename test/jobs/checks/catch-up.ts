// What was missed is caught up: which jobs, in which order, and what stops it.
import { expect } from "vitest";
import { errorOf, EXPIRE_LOTS, type JobsDatabase } from "../database.ts";
import { waitFor } from "../../server.ts";
import { scheduleDaily } from "../schedule-daily.ts";
import { makeTestJobs, TEST_JOBS } from "../test-jobs.ts";

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

/** Catch-up goes on when its run of a job was ended by somebody else: it tries them all. */
export async function catchUpGoesOnAfterALostRun(db: JobsDatabase): Promise<void> {
  await makeTestJobs(db);
  for (const job of ["lot_expiry", "good"]) await scheduleDaily(db, job);
  const [lot] = await db.dueLots(1);
  const holder = await db.holdLot(lot!);
  const runner = await db.session();
  const run = errorOf(runner.client.query("call app.run_overdue()"));
  await db.untilWaiting(runner);
  await db.rows("update app.job_runs set status = 'abandoned', finished_at = clock_timestamp()");
  await holder.client.query("rollback");
  expect(await run).toMatchObject({ code: "MJ012" });
  expect(await db.runs()).toMatchObject([{ status: "abandoned", affected: 0 }]);
  expect(await db.balance(lot!)).toBe(100);
  expect(await db.lastRun("good")).toMatchObject({ status: "succeeded", affected: 3 });
}

/**
 * A job whose time zone the server does not know stops none of the others: it is passed over, says so in app.job_health, and
 * what pg_cron calls leaves a failed row.
 */
export async function unknownZoneStopsNoOther(db: JobsDatabase): Promise<void> {
  await makeTestJobs(db);
  for (const job of ["lot_expiry", "good"]) await scheduleDaily(db, job);
  await db.rows("update app.jobs set timezone = 'Mars/Olympus' where name = 'lot_expiry'");
  const health = () =>
    db.rows(
      `select job, overdue_since is not null as overdue, zone_unknown, failures_in_row::int as failures from app.job_health
       where job in ('lot_expiry', 'good') order by job`,
    );
  expect(await health()).toEqual([
    { job: "good", overdue: true, zone_unknown: false, failures: 0 },
    { job: "lot_expiry", overdue: false, zone_unknown: true, failures: 0 },
  ]);
  await db.rows("call app.run_overdue()");
  expect(await db.lastRun("good")).toMatchObject({ status: "succeeded" });
  expect(await db.runs()).toEqual([]);
  await db.rows(
    "create or replace function app.scheduler_of_session() returns text language sql as $$ select 'pg_cron' $$",
  );
  const error = await errorOf(db.rows(EXPIRE_LOTS));
  expect([error?.code, error?.message]).toEqual([
    "22023",
    'job lot_expiry did not start: time zone "Mars/Olympus" not recognized',
  ]);
  expect(await db.runs()).toMatchObject([{ status: "failed", sqlstate: "22023" }]);
  await db.rows("update app.jobs set timezone = 'America/New_York' where name = 'lot_expiry'");
  expect(await health()).toMatchObject([{ overdue: false }, { overdue: true, zone_unknown: false, failures: 1 }]);
}

/** Runs that began and failed later than now, as after the clock was set back, neither close a due time nor space its calls. */
export async function clockSetBackStopsNothing(db: JobsDatabase): Promise<void> {
  await scheduleDaily(db, "lot_expiry");
  await db.rows(
    `insert into app.job_runs (job_id, scheduler, status, started_at, finished_at)
     select job_id, 'manual', s, clock_timestamp() + interval '5 hours', clock_timestamp() + interval '6 hours'
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
