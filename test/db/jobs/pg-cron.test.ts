// pg_cron itself runs jobs: in its background workers, as the job role, with one CALL as command.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { applyCrontab } from "../../../converge/crontab.ts";
import { JobsDatabase } from "../../jobs/database.ts";
import { makeTestJobs, TEST_JOBS } from "../../jobs/test-jobs.ts";
import { makeWaiting } from "../../jobs/waiting-jobs.ts";
import { onboard, prepareCell, specOf, targetsOf } from "../../merchants.ts";
import { dropMerchantLeftovers, freshName, superuserClient, waitFor } from "../../server.ts";

const prefix = freshName("cron");
const everyMinute = { schedule: "* * * * *" };
/** The next full minute, and what a slow machine takes to start and end the runs. */
const PATIENCE_MS = 110_000;

beforeAll(async () => {
  await prepareCell();
});
afterAll(async () => {
  await dropMerchantLeftovers(`merchant_${prefix}`);
});

async function withMerchant(id: string, line: object, work: (db: JobsDatabase, jobRole: string) => Promise<void>) {
  const spec = specOf(id, line);
  await onboard(spec);
  const db = await JobsDatabase.open(spec.database);
  try {
    await work(db, spec.jobRole);
  } finally {
    await db.close();
  }
}

// Side by side: each of them waits for a full minute.
describe.concurrent("pg_cron", { timeout: 180_000 }, () => {
  test("runs the jobs of the ledger: a lot is debited to 0, an operation closed, an old key gone, each with its row", async () => {
    const jobs = { lot_expiry: everyMinute, ops_cleanup: everyMinute, idempotency_cleanup: everyMinute };
    await withMerchant(`${prefix}a`, { jobs }, async (db) => {
      const due = await db.lot("-1 day", [1000, -300]);
      const later = await db.lot("1 day", [500]);
      const [operation] = await db.rows<{ id: string }>(
        `with made as (
           insert into app.operations (lot_id, held_minor, expires_at) values ($1, 40, now() - interval '1 hour')
           returning operation_id, lot_id
         )
         insert into app.ledger_entries (lot_id, operation_id, kind, amount_minor)
         select lot_id, operation_id, 'hold', -40 from made returning operation_id as id`,
        [later],
      );
      await db.rows(
        `insert into app.idempotency_keys (key, state, created_at, finished_at) values
           ('old', 'succeeded', now() - interval '9 days', now() - interval '8 days'),
           ('new', 'succeeded', now(), now()), ('working', 'in_progress', now() - interval '1 year', null)`,
      );
      const seen = await waitFor(
        async () => {
          const found = await db.rows<{ name: string; affected: number }>(
            `select j.name, sum(r.affected_rows)::int as affected from app.job_runs as r join app.jobs as j using (job_id)
             where r.status = 'succeeded' and r.scheduler = 'pg_cron' group by j.name having sum(r.affected_rows) > 0 order by 1`,
          );
          return found.length === 3 ? found : undefined;
        },
        { what: "pg_cron has run the three jobs", timeoutMs: PATIENCE_MS },
      );
      expect(seen).toEqual([
        { name: "idempotency_cleanup", affected: 1 },
        { name: "lot_expiry", affected: 1 },
        { name: "ops_cleanup", affected: 1 },
      ]);
      expect(await db.expiries([due, later])).toEqual([
        [0, 1],
        [500, 0],
      ]);
      expect(await db.rows("select state from app.operations where operation_id = $1", [operation!.id])).toEqual([
        { state: "expired" },
      ]);
      expect(await db.rows("select key from app.idempotency_keys order by 1")).toEqual([
        { key: "new" },
        { key: "working" },
      ]);
    });
  });

  test("runs what fails, what is poisoned, what is cancelled and what is terminated, and its own record agrees", async () => {
    await withMerchant(`${prefix}b`, { suspended: true }, async (db, jobRole) => {
      await makeTestJobs(db);
      // Its schedule says once a year, its crontab each minute: it is called, and is not due.
      await db.rows(
        `insert into app.jobs (name, batch_function, batch_size, time_limit_seconds, settings, schedule, due_schedule)
         values ('early', 'app.test_batch', 1, 3600, '{"kind": "good"}', '0 0 1 1 *',
           '{"minutes": [0], "hours": [0], "daysOfMonth": [1], "months": [1], "daysOfWeek": [0, 1, 2, 3, 4, 5, 6],
             "domStar": false, "dowStar": true, "lastDayOfMonth": false}')`,
      );
      const cron = await superuserClient("cron");
      const records = async () =>
        (
          await cron.query<{ job: string; status: string; message: string | null }>(
            `select distinct on (j.jobname) j.jobname as job, d.status, d.return_message as message
             from cron.job as j join cron.job_run_details as d using (jobid) where j.username = $1
             order by j.jobname, d.runid`,
            [jobRole],
          )
        ).rows;
      try {
        const kinds = [...Object.keys(TEST_JOBS), "early"];
        for (const kind of kinds) {
          await cron.query("select cron.schedule_in_database($1, '* * * * *', $2, $3, $4)", [
            `test:${kind}`,
            `CALL app.run_job('${kind}')`,
            db.name,
            jobRole,
          ]);
        }
        // Whichever comes first: pg_cron 1.4 starts no job while a worker is running (citusdata/pg_cron, issue 200).
        const endIn = async (kind: string, end: "pg_cancel_backend" | "pg_terminate_backend") => {
          const pid = await waitFor(
            async () => (await db.runs(kind)).find(({ batches, status }) => status === "running" && batches === 1)?.pid,
            { what: `the run to be ${kind} is in its second batch`, timeoutMs: PATIENCE_MS },
          );
          await db.rows(`select ${end}($1)`, [pid]);
        };
        await Promise.all([endIn("cancelled", "pg_cancel_backend"), endIn("terminated", "pg_terminate_backend")]);
        await waitFor(
          async () => {
            const ended = await records();
            return (
              ended.length === kinds.length &&
              ended.every(({ status }) => status === "succeeded" || status === "failed")
            );
          },
          { what: "pg_cron has recorded the end of each", timeoutMs: PATIENCE_MS },
        );
        expect((await records()).map(({ job, status }) => [job, status])).toEqual([
          ["test:cancelled", "failed"],
          ["test:early", "succeeded"],
          ["test:failing", "failed"],
          ["test:good", "succeeded"],
          ["test:poisoned", "succeeded"],
          ["test:terminated", "failed"],
        ]);
        expect((await records()).find(({ job }) => job === "test:failing")?.message).toMatch(/the disk is full/);
        const first = async (kind: string) => (await db.runs(kind))[0];
        const scheduler = "pg_cron";
        expect(await first("early")).toBeUndefined();
        expect(await first("good")).toMatchObject({ scheduler, status: "succeeded", affected: 3, batches: 3 });
        expect(await first("failing")).toMatchObject({ scheduler, status: "failed", affected: 1, sqlstate: "53100" });
        expect(await first("poisoned")).toMatchObject({ scheduler, status: "succeeded", affected: 2, quarantined: 1 });
        expect(await first("cancelled")).toMatchObject({ scheduler, status: "failed", affected: 1, sqlstate: "57014" });
        expect(await first("terminated")).toMatchObject({ scheduler, affected: 1, batches: 1, sqlstate: null });

        await cron.query("select cron.unschedule(jobid) from cron.job where username = $1", [jobRole]);
        await waitFor(
          async () =>
            (
              await db.rows(
                "select from pg_stat_activity where datname = current_database() and backend_type like 'pg\\_cron%'",
              )
            ).length === 0,
          { what: "pg_cron runs nothing here any more" },
        );
        await db.rows(`update app.jobs set settings = '{"kind": "good"}'`);
        for (const kind of kinds) {
          await db.rows("call app.run_job($1)", [kind]);
          expect(await db.lastRun(kind), kind).toMatchObject({ scheduler: "manual", status: "succeeded" });
        }
        expect(await first("terminated")).toMatchObject({ status: "abandoned" });
      } finally {
        await cron.end();
      }
    });
  });

  test("a pause or a removal waits for the run that it would cancel; a change of schedule or command cancels nothing", async () => {
    const names = ["lot_expiry", "ops_cleanup"] as const;
    const line = { jobs: Object.fromEntries(names.map((name) => [name, everyMinute])) };
    const spec = specOf(`${prefix}p`, line);
    await withMerchant(spec.id, line, async (db) => {
      await makeWaiting(db, names);
      const cron = await superuserClient("cron");
      const rows = async (job: string) =>
        (await cron.query("select active from cron.job where jobname = $1", [`${spec.id}:${job}`])).rows as unknown[];
      const last = async (job: string) => (await db.lastRun(job))?.status;
      const seen = new Set<string>();
      /** pg_cron 1.4 runs them one after the other, in an order of its own. */
      const nextRun = async () => {
        const next = async () => {
          for (const name of names) if (!seen.has(name) && (await last(name)) === "running") return name;
          return undefined;
        };
        const job = await waitFor(next, { what: "pg_cron runs the next job", timeoutMs: PATIENCE_MS });
        seen.add(job);
        return job;
      };
      const release = (job: string) => db.rows("insert into app.test_go values ($1)", [job]);
      const ended = (job: string) =>
        waitFor(async () => ((await last(job)) === "running" ? undefined : await last(job)), { what: `${job} ended` });
      const pid = async (job: string) => (await db.lastRun(job))?.pid;
      const refused = async (job: string) => ({
        code: "in_use",
        message: expect.stringMatching(
          new RegExp(
            `^merchant ${spec.id} of cell home: ${spec.id}:${job} since \\d{4}-[0-9: -]+ GMT \\(pid ${await pid(job)}\\) is running.*` +
              `select pg_cancel_backend\\(${await pid(job)}\\);$`,
          ),
        ) as string,
      });
      const without = (job: string, target = targetsOf(spec).crontab) => ({
        ...target,
        jobs: Object.fromEntries(Object.entries(target.jobs).filter(([name]) => name !== job)),
      });
      try {
        const changed = await nextRun();
        const elsewhen = { jobs: { ...line.jobs, [changed]: { schedule: "0 0 1 1 *" } } };
        const { crontab } = targetsOf(specOf(spec.id, elsewhen));
        const other = { ...crontab.jobs[changed]!, command: "CALL app.cleanup_history()" };
        expect(await applyCrontab({ ...crontab, jobs: { ...crontab.jobs, [changed]: other } })).toHaveLength(1);

        // While the first one still runs: what would remove it waits for it.
        await expect(applyCrontab(without(changed, crontab), { patience: 0 })).rejects.toMatchObject(
          await refused(changed),
        );
        expect(await rows(changed)).toEqual([{ active: true }]);
        await release(changed);
        expect(await ended(changed)).toBe("succeeded");

        const paused = await nextRun();
        const suspended = targetsOf({ ...spec, suspended: true }).crontab;
        await expect(applyCrontab(suspended, { patience: 0 })).rejects.toMatchObject(await refused(paused));
        expect(await rows(paused)).toEqual([{ active: true }]);
        expect(await db.rows("select distinct enabled from app.jobs")).toEqual([{ enabled: false }]);
        const pause = applyCrontab(suspended);
        await release(paused);
        await pause;
        expect(await last(paused)).toBe("succeeded");
        expect(await rows(paused)).toEqual([{ active: false }]);
        // A run that is cut off is in pg_cron's own record as canceled.
        const records = async () => {
          const { rows: found } = await cron.query<{ status: string; message: string }>(
            `select d.status, d.return_message as message from cron.job_run_details as d join cron.job as j using (jobid)
             where j.username = $1`,
            [spec.jobRole],
          );
          return found.every(({ status }) => status === "succeeded" || status === "failed") && found;
        };
        const record = { status: "succeeded", message: "CALL" };
        expect(await waitFor(records, { what: "pg_cron has recorded the ends" })).toEqual([record, record]);
      } finally {
        await cron.end();
      }
    });
  });
});
