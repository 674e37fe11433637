// How the jobs are, by app.job_health and as the runner looks at it.
import { expect } from "vitest";
import { readJobs } from "../../../runner/look.ts";
import { EXPIRE_LOTS, type JobsDatabase } from "../database.ts";

/** A run whose session is gone shows as abandoned; one that ends while it is looked at does not. */
export async function runThatEndsMeanwhileIsNotAbandoned(db: JobsDatabase): Promise<void> {
  const looking = await db.session();
  const look = async () => (await readJobs(looking.client)).find(({ job }) => job === "lot_expiry");
  const left = await db.session();
  await left.client.query("select app.begin_run('lot_expiry', null)");
  await db.untilIdle(left);
  expect((await look())?.abandonedSince).toBeGreaterThan(0);
  await db.rows(EXPIRE_LOTS);
  expect((await look())?.abandonedSince).toBeUndefined();

  const [lot] = await db.dueLots(1);
  const holder = await db.holdLot(lot!);
  const runner = await db.session();
  const run = runner.client.query(EXPIRE_LOTS);
  await db.untilWaiting(runner);
  // The look has its snapshot, in which the run is running, and asks for its session when it has ended.
  await db.rows(
    `create or replace function app.running_since(p_job_id bigint) returns timestamptz language plpgsql as $$
     begin
       perform pg_advisory_xact_lock_shared(1);
       return (app.live_claim(p_job_id)).started_at;
     end $$`,
  );
  await holder.client.query("select pg_advisory_lock(1)");
  const meanwhile = look();
  await db.untilWaiting(looking);
  await holder.client.query("rollback");
  await run;
  await holder.client.query("select pg_advisory_unlock(1)");
  expect((await meanwhile)?.abandonedSince).toBeUndefined();
}

/** What began later than now, as after the clock was set back, is neither the newest run nor the last success. */
export async function clockSetBackHidesWhatIsAhead(db: JobsDatabase): Promise<void> {
  await db.rows(EXPIRE_LOTS);
  await db.rows(
    `insert into app.job_runs (job_id, scheduler, status, more, started_at, finished_at)
     select job_id, 'manual', s, s = 'succeeded', clock_timestamp() + interval '5 hours', clock_timestamp() + interval '6 hours'
     from app.jobs, unnest(array['succeeded', 'failed']) as s where name = 'lot_expiry'`,
  );
  await db.rows(
    `insert into app.job_runs (job_id, scheduler, status, started_at, finished_at)
     select job_id, 'manual', 'succeeded', clock_timestamp() + interval '7 hours', clock_timestamp() + interval '8 hours'
     from app.jobs where name = 'lot_expiry'`,
  );
  const health = () =>
    db.rows<object>(
      `select last_success_at <= clock_timestamp() as before, last_status, behind
       from app.job_health where job = 'lot_expiry'`,
    );
  expect(await health()).toEqual([{ before: true, last_status: "succeeded", behind: false }]);
  await db.rows(
    `insert into app.job_runs (job_id, scheduler, status, finished_at)
     select job_id, 'manual', 'failed', clock_timestamp() from app.jobs where name = 'lot_expiry'`,
  );
  expect(await health()).toEqual([{ before: true, last_status: "failed", behind: false }]);
}

/** The runner reads no more of an error than it shows: the first 500 characters. */
export async function healthHasAnErrorsBeginning(db: JobsDatabase): Promise<void> {
  await db.rows(
    `insert into app.job_runs (job_id, scheduler, status, finished_at, error)
     select job_id, 'manual', 'failed', clock_timestamp(), repeat('x', 501) from app.jobs where name = 'lot_expiry'`,
  );
  expect(await db.rows("select length(last_error) as it from app.job_health where job = 'lot_expiry'")).toEqual([
    { it: 500 },
  ]);
}
