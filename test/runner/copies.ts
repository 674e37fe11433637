import { JobsDatabase } from "../jobs/database.ts";
import { onboard, prepareCell, specOf, sqlRoot, testCell } from "../merchants.ts";
import { type OwnServer, startOwnServer, superuserClient, waitFor } from "../server.ts";
import { letRunnerIn } from "./kit.ts";

/** A cell of its own whose merchants are copies of one, with a job that is due every second. */
export interface Copies {
  readonly own: OwnServer;
  readonly names: readonly string[];
  /** Each merchant's database; another list after `reopen`. */
  databases(): readonly JobsDatabase[];
  /** Connects anew: after the server was restarted. */
  reopen(): Promise<void>;
  remove(): Promise<void>;
}

/** Makes the cell. Each merchant has so many lots that are due, and each of them is a batch, so that runs can be met half-way. */
export async function makeCopies(howMany: number, lots: number): Promise<Copies> {
  const own = await startOwnServer({ settings: { max_connections: "150" } });
  await prepareCell(testCell(own.server));
  await letRunnerIn(own.server);
  const spec = specOf("original");
  await onboard(spec, sqlRoot, own.server);
  const original = await JobsDatabase.open(spec.database, own.server);
  await original.dueLots(lots);
  await original.rows(
    `update app.jobs set batch_size = 1, schedule = '1 seconds', due_schedule = '{"every": 1}',
       due_from = now() - interval '2 days' where name = 'lot_expiry'`,
  );
  await original.rows("update app.jobs set enabled = false where name <> 'lot_expiry'");
  await original.close();
  const names = Array.from({ length: howMany }, (_, i) => `copy${i}`);
  const cron = await superuserClient("cron", own.server);
  await cron.query("select cron.unschedule(jobid) from cron.job where database = $1", [spec.database]);
  await cron.query("delete from merchant_jobs.merchants");
  for (const name of names) {
    await cron.query(`create database merchant_${name} template ${spec.database} owner ${spec.ownerRole}`);
    await cron.query(
      `insert into merchant_jobs.merchants (merchant, database_name, job_role, suspended, scheduler)
       values ($1, 'merchant_' || $1, $2, false, 'runner')`,
      [name, spec.jobRole],
    );
  }
  await cron.end();
  let databases = await openAll(own, names);
  const close = () => Promise.all(databases.map((db) => db.close()));
  return {
    own,
    names,
    databases: () => databases,
    async reopen() {
      await close();
      databases = await openAll(own, names);
    },
    async remove() {
      await close();
      await own.remove();
    },
  };
}

async function openAll({ server }: OwnServer, names: readonly string[]): Promise<readonly JobsDatabase[]> {
  return await Promise.all(names.map((name) => JobsDatabase.open(`merchant_${name}`, server)));
}

/** Waits until every merchant has a complete success that began after this moment, whatever the clocks say. */
export async function untilAllRan(databases: readonly JobsDatabase[], what: string): Promise<void> {
  await Promise.all(
    databases.map(async (db) => {
      const [last] = await db.rows<{ run: string }>("select coalesce(max(run_id), 0)::text as run from app.job_runs");
      await waitFor(
        async () =>
          (
            await db.rows(
              "select from app.job_runs where status = 'succeeded' and not more and run_id > $1::bigint limit 1",
              [last!.run],
            )
          ).length > 0,
        { what: `${what}: ${db.name}`, timeoutMs: 60_000 },
      );
    }),
  );
}

/** What a merchant's runs came to. */
export interface Came {
  readonly runs: number;
  /** Runs that began before an earlier one had ended. */
  readonly overlaps: number;
  /** Due times that two runs did. */
  readonly twice: number;
  /** Runs that were not the runner's. */
  readonly others: number;
  /** Of its lots: what is left in them, how many there are, and how often one expired. */
  readonly balance: number;
  readonly lots: number;
  readonly expiries: number;
}

/** Counts what the runs of a merchant came to. */
export async function whatCame(db: JobsDatabase): Promise<Came> {
  const [found] = await db.rows<Came>(
    `select r.*, l.* from (
       select count(*)::int as runs, count(*) filter (where started_at < before)::int as overlaps,
         count(*) filter (where scheduler <> 'runner')::int as others,
         (select count(*)::int from (
            select from app.job_runs where status = 'succeeded' and not more group by job_id, due having count(*) > 1
          ) as t) as twice
       from (
         select r.*, max(coalesce(finished_at, 'infinity')) over (
           order by run_id rows between unbounded preceding and 1 preceding
         ) as before
         from app.job_runs as r where status <> 'skipped'
       ) as r
     ) as r cross join (
       select coalesce(sum(amount_minor), 0)::int as balance, count(distinct lot_id)::int as lots,
         count(*) filter (where kind = 'expiry')::int as expiries
       from app.ledger_entries
     ) as l`,
  );
  return found!;
}
