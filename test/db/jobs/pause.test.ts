// What changes a crontab while pg_cron runs its jobs: pg_cron cancels the run of a job that is paused or removed.
import { afterAll, beforeAll, expect, test } from "vitest";
import { applyCrontab } from "../../../converge/crontab.ts";
import { JobsDatabase } from "../../jobs/database.ts";
import { makeWaiting } from "../../jobs/waiting-jobs.ts";
import { onboard, prepareCell, specOf, targetsOf } from "../../merchants.ts";
import { dropMerchantLeftovers, freshName, superuserClient, waitFor } from "../../server.ts";

const prefix = freshName("pause");
const everyMinute = { schedule: "* * * * *" };
/** The next full minute, and what a slow machine takes to start and end the runs. */
const PATIENCE_MS = 110_000;

beforeAll(async () => {
  await prepareCell();
});
afterAll(async () => {
  await dropMerchantLeftovers(`merchant_${prefix}`);
});

test(
  "a pause or a removal waits for the run that it would cancel; a change of schedule or command cancels nothing",
  { timeout: 180_000 },
  async () => {
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
        // So does that the runner takes pg_cron's place.
        const byRunner = { ...crontab, address: { ...crontab.address, scheduler: "runner" as const } };
        // It would end each of them, and the command that runs is of none any more: both are named.
        const message = expect.stringContaining(`select pg_cancel_backend(${await pid(changed)});`) as string;
        await expect(applyCrontab(byRunner, { patience: 0 })).rejects.toMatchObject({ code: "in_use", message });
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
        // A run that is cut off is in pg_cron's own record as canceled. Others may have been due while the merchant was made.
        const records = async () => {
          const { rows: found } = await cron.query<{ job: string; status: string; message: string }>(
            `select split_part(j.jobname, ':', 2) as job, d.status, d.return_message as message
             from cron.job_run_details as d join cron.job as j using (jobid)
             where j.jobname = any ($1) order by 1`,
            [names.map((name) => `${spec.id}:${name}`)],
          );
          return found.every(({ status }) => status === "succeeded" || status === "failed") && found;
        };
        const found = await waitFor(records, { what: "pg_cron has recorded the ends" });
        expect(new Set(found.map(({ job }) => job))).toEqual(new Set(names));
        for (const record of found) expect(record).toMatchObject({ status: "succeeded", message: "CALL" });
      } finally {
        await cron.end();
      }
    });
  },
);

async function withMerchant(id: string, line: object, work: (db: JobsDatabase) => Promise<void>) {
  const spec = specOf(id, line);
  await onboard(spec);
  const db = await JobsDatabase.open(spec.database);
  try {
    await work(db);
  } finally {
    await db.close();
  }
}
