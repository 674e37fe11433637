import pg from "pg";
import { dueScheduleOf } from "../../spec/due.ts";
import { parseSchedule } from "../../spec/schedule.ts";
import type { RunningServer } from "../../local/postgres.ts";
import { letRunnerIn } from "../../test/runner/kit.ts";
import { makeMerchant, withClient } from "../jobs/databases.ts";

/** Jobs that find nothing to do in an empty ledger. */
export const EMPTY_JOBS = ["idempotency_cleanup", "lot_expiry", "ops_cleanup"] as const;

/** Databases in which something is done at once. */
const AT_ONCE = 4;

/** Merchants whose jobs the runner starts: copies of one that the real program made. */
export interface BenchFleet {
  readonly server: RunningServer;
  readonly databases: readonly string[];
}

/** Makes so many, with 30 days of runs. The registry is empty, and no job is due for a long time. */
export async function makeFleet(server: RunningServer, howMany: number): Promise<BenchFleet> {
  const original = await makeMerchant(server);
  await withClient(server, original, (client) =>
    client.query(
      `insert into app.job_runs (job_id, scheduler, status, started_at, finished_at, affected_rows, batches)
       select j.job_id, 'runner', 'succeeded', d, d + interval '1 second', 1, 1
       from app.jobs as j, generate_series(now() - interval '29 days', now() - interval '1 hour', interval '8 hours') as d`,
    ),
  );
  await letRunnerIn(server);
  const databases = Array.from({ length: howMany }, (_, i) => `merchant_shop${String(i).padStart(4, "0")}`);
  await withClient(server, server.cronDatabase, async (cron) => {
    await cron.query("select cron.unschedule(jobid) from cron.job");
    for (const [i, database] of databases.entries()) {
      await cron.query(`create database ${pg.escapeIdentifier(database)} template ${pg.escapeIdentifier(original)}`);
      if ((i + 1) % 100 === 0) console.log(`made ${String(i + 1)} databases`);
    }
  });
  return { server, databases };
}

/** Registers the first so many, and no other; gives the last one. */
export async function register({ server, databases }: BenchFleet, howMany: number): Promise<string> {
  await withClient(server, server.cronDatabase, async (cron) => {
    await cron.query("delete from merchant_jobs.merchants");
    await cron.query(
      `insert into merchant_jobs.merchants (merchant, database_name, job_role, suspended, scheduler)
       select substr(d, 10), d, 'nobody', false, 'runner' from unnest($1::text[]) as d`,
      [databases.slice(0, howMany)],
    );
  });
  return databases[howMany - 1]?.replace("merchant_", "") ?? "";
}

/** Does something in the first so many databases, and gives what came of each. */
export async function inEach<T>(
  { server, databases }: BenchFleet,
  howMany: number,
  work: (client: pg.Client) => Promise<T>,
): Promise<readonly T[]> {
  const left = databases.slice(0, howMany);
  const results: T[] = [];
  const worker = async () => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      results.push(await withClient(server, next, work));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return results;
}

/** Gives the empty jobs of the first so many merchants this schedule. Nothing that was due before is missed. */
export async function schedule(fleet: BenchFleet, howMany: number, text: string): Promise<void> {
  const parsed = parseSchedule(text);
  if (parsed.kind === "problem") throw new Error(parsed.reason);
  await inEach(fleet, howMany, (client) =>
    client.query(
      `update app.jobs set schedule = $2, due_schedule = $3::jsonb, due_from = clock_timestamp(),
         enabled = name = any ($1::text[])`,
      [EMPTY_JOBS, text, JSON.stringify(dueScheduleOf(parsed))],
    ),
  );
}
