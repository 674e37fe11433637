import { expect, test } from "vitest";
import { useCopies } from "../../jobs/copies.ts";

const { withCopy } = useCopies("history");

test("history_cleanup deletes what is older than the retention, and keeps each job's newest and newest success", async () => {
  await withCopy(async (db) => {
    await db.rows(
      `insert into app.jobs (name, batch_function, batch_size, time_limit_seconds, settings)
       values ('history_cleanup', 'app.cleanup_history_batch', 2, 60, '{"retentionDays": 90}')
       on conflict (name) do update set batch_size = 2`,
    );
    await db.rows(
      `insert into app.job_runs (job_id, scheduler, status, started_at, finished_at, more)
       select j.job_id, 'manual', r.status, clock_timestamp() - r.age * interval '1 day', clock_timestamp(), r.more
       from (values
         ('lot_expiry', 'succeeded', 400, false), ('lot_expiry', 'failed', 300, false), ('lot_expiry', 'skipped', 91, false),
         ('lot_expiry', 'succeeded', 89, false),
         ('ops_cleanup', 'succeeded', 400, false), ('ops_cleanup', 'succeeded', 399, false), ('ops_cleanup', 'succeeded', 398, true),
         ('ops_cleanup', 'failed', 397, false), ('ops_cleanup', 'abandoned', 396, false)
       ) as r (job, status, age, more) join app.jobs as j on j.name = r.job`,
    );
    await db.rows("call app.cleanup_history()");
    expect(await db.lastRun("history_cleanup")).toMatchObject({ status: "succeeded", affected: 6, batches: 4 });
    const left = await db.rows(
      `select j.name as job, r.status, extract(day from clock_timestamp() - r.started_at)::int as age
       from app.job_runs as r join app.jobs as j using (job_id) where j.name <> 'history_cleanup' order by r.started_at`,
    );
    expect(left).toEqual([
      { job: "ops_cleanup", status: "succeeded", age: 399 },
      { job: "ops_cleanup", status: "abandoned", age: 396 },
      { job: "lot_expiry", status: "succeeded", age: 89 },
    ]);
    await db.rows(`update app.jobs set settings = '{"retentionDays": 1}' where name = 'history_cleanup'`);
    await db.rows("call app.cleanup_history()");
    expect(await db.lastRun("history_cleanup")).toMatchObject({ status: "succeeded", affected: 0 });
  });
});
