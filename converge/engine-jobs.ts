import type { CellAddress } from "./address.ts";
import { codeOf, SQLSTATE } from "./errors.ts";
import { isMissingDatabase, lockInTransaction, withSession, withTransaction } from "./session.ts";

/** What the job engine in a merchant's database knows of a job: a row of app.jobs. */
export interface EngineJob {
  /** schema.name of the batch function. */
  readonly batchFunction: string;
  readonly batchSize: number;
  readonly timeLimitSeconds: number;
}

/** Reads app.jobs; undefined when the database is not there, or the administrator may not look into it. */
export async function readEngineJobs(
  address: CellAddress,
  database: string,
): Promise<Readonly<Record<string, EngineJob>> | undefined> {
  try {
    return await withSession(address, database, async (session) => {
      const there = await session.query<{ there: boolean }>(
        "select pg_catalog.to_regclass('app.jobs') is not null as there",
      );
      if (there.rows[0]?.there !== true) return {};
      const rows = await session.query<{ name: string; function: string; size: string; limit: string }>(
        `select j.name, j.batch_function as function, j.batch_size::text as size, j.time_limit_seconds::text as limit
         from app.jobs as j order by j.name`,
      );
      return Object.fromEntries(
        rows.rows.map((row) => [
          row.name,
          { batchFunction: row.function, batchSize: Number(row.size), timeLimitSeconds: Number(row.limit) },
        ]),
      );
    });
  } catch (error) {
    if (isMissingDatabase(error) || codeOf(error) === SQLSTATE.insufficientPrivilege) return undefined;
    throw error;
  }
}

/** Writes the rows of app.jobs that are missing or different. A job that left the catalogue keeps its row and its runs. */
export async function applyEngineJobs(
  address: CellAddress,
  database: string,
  jobs: Readonly<Record<string, EngineJob>>,
): Promise<void> {
  const all = Object.entries(jobs);
  await withSession(address, database, (session) =>
    withTransaction(session, async () => {
      await lockInTransaction(session, "migrations");
      await session.query(
        `insert into app.jobs as j (name, batch_function, batch_size, time_limit_seconds)
         select w.name, w.function, w.size, w.seconds
         from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) as w (name, function, size, seconds)
         on conflict (name) do update
         set batch_function = excluded.batch_function, batch_size = excluded.batch_size,
           time_limit_seconds = excluded.time_limit_seconds
         where (j.batch_function, j.batch_size, j.time_limit_seconds)
           is distinct from (excluded.batch_function, excluded.batch_size, excluded.time_limit_seconds)`,
        [
          all.map(([name]) => name),
          all.map(([, job]) => job.batchFunction),
          all.map(([, job]) => job.batchSize),
          all.map(([, job]) => job.timeLimitSeconds),
        ],
      );
    }),
  );
}
