import { setTimeout as sleep } from "node:timers/promises";
import type { CellAddress } from "../../converge/address.ts";
import { actAs } from "../../converge/roles.ts";
import { asScheduler, schedule } from "../../converge/scheduling.ts";
import { lockInTransaction, withCronSession, withSession, withTransaction } from "../../converge/session.ts";
import type { MerchantSpec } from "../../spec/merchants.ts";

/** Longer than pg_cron needs from one full minute to the next, and for the runs. */
const PATIENCE_SECONDS = 100;

/** How the extra jobs' names begin: as no merchant's can. */
const DEMO = "demo!";

/** Active merchants, each with the jobs of it that are to run. */
type Due = readonly { readonly merchant: MerchantSpec; readonly jobs: readonly string[] }[];

/** The jobs of a merchant that its scheduler has not run yet; of those whose runs are recorded. */
export async function jobsNotRun(address: CellAddress, merchant: MerchantSpec): Promise<readonly string[]> {
  const ran = await withSession(address, merchant.database, (session) =>
    session.query<{ name: string }>(
      `select distinct j.name from app.jobs as j join app.job_runs as r on r.job_id = j.job_id
       where r.scheduler = $1::text and r.status in ('succeeded', 'failed')`,
      [address.scheduler],
    ),
  );
  const names = new Set(ran.rows.map(({ name }) => name));
  const recorded = Object.values(merchant.jobs).filter(({ batches }) => batches !== undefined);
  return recorded.map(({ name }) => name).filter((job) => !names.has(job));
}

/**
 * Makes jobs due at once: what came due in the last two days counts, and not only since the job was made. A scheduler
 * starts what is due, and no more.
 */
export async function makeDue(address: CellAddress, due: Due): Promise<void> {
  for (const { merchant, jobs } of due) {
    await withSession(address, merchant.database, (session) =>
      session.query(
        "update app.jobs set due_from = pg_catalog.now() - interval '2 days' where name = any ($1::text[])",
        [jobs],
      ),
    );
  }
}

/**
 * Has pg_cron run jobs at the next full minute, by extra jobs beside the crontab that are removed afterwards. `tell`
 * hears what is still awaited.
 */
export async function runByPgCron(address: CellAddress, due: Due, tell: (line: string) => void): Promise<void> {
  await makeDue(address, due);
  for (const { merchant, jobs } of due) {
    await inCronDatabase(address, merchant, async (session) => {
      for (const job of jobs) {
        await schedule(session, {
          name: `${DEMO}${job}`,
          schedule: "* * * * *",
          command: merchant.jobs[job]?.command ?? "",
          database: merchant.database,
          active: true,
        });
      }
    });
  }
  try {
    const look = "cron.job_run_details and .local/postgres/server.log";
    await awaitRuns(address, due, { tell, when: "at the next full minute", look });
  } finally {
    await removeDemoJobs(
      address,
      due.map(({ merchant }) => merchant),
    );
  }
}

/** Removes the extra jobs, also those of a demo that was stopped. */
export async function removeDemoJobs(address: CellAddress, merchants: readonly MerchantSpec[]): Promise<void> {
  await withCronSession(address, (session) =>
    withTransaction(session, async () => {
      await lockInTransaction(session, "crontab");
      await actAs(session, undefined);
      await session.query(
        `select cron.unschedule(j.jobid) from cron.job as j
         where pg_catalog.starts_with(j.jobname::text, $1::text) and j.username = any ($2::text[])`,
        [DEMO, merchants.map(({ jobRole }) => jobRole)],
      );
    }),
  );
}

async function inCronDatabase(
  address: CellAddress,
  merchant: MerchantSpec,
  work: (session: Parameters<typeof schedule>[0]) => Promise<void>,
): Promise<void> {
  await withCronSession(address, (session) =>
    withTransaction(session, async () => {
      await lockInTransaction(session, "crontab");
      await asScheduler(session, merchant.jobRole, () => work(session));
    }),
  );
}

/** Waits until the scheduler has run them. Throws with where to look when it does not. */
export async function awaitRuns(
  address: CellAddress,
  due: Due,
  { tell, when, look }: { readonly tell: (line: string) => void; readonly when: string; readonly look: string },
): Promise<void> {
  const who = address.scheduler === "runner" ? "the runner" : "pg_cron";
  const until = Date.now() + PATIENCE_SECONDS * 1_000;
  for (let before = -1; ;) {
    const left = (await Promise.all(due.map(({ merchant }) => jobsNotRun(address, merchant)))).flat().length;
    if (left === 0) return;
    if (left !== before) tell(`waiting for ${who}: ${left} job${left === 1 ? "" : "s"} to run ${when}`);
    before = left;
    if (Date.now() > until) {
      throw new Error(`${who} has not run ${left} jobs within ${PATIENCE_SECONDS} s; look at ${look}`);
    }
    await sleep(1_000);
  }
}
