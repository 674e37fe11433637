import { JOBS } from "../spec/jobs.ts";
import type { Session } from "./session.ts";

/** Where an old app.job_runs stays as it was. */
const OLD_SCHEMA = "before_merchant_jobs";

/** What the old table may call these things, best first. */
const NAMES = {
  job: ["job_name", "jobname", "job", "name", "procedure_name", "function_name"],
  started: ["started_at", "start_time", "start_at", "created_at", "run_at"],
  finished: ["finished_at", "end_time", "ended_at", "completed_at"],
  status: ["status", "state", "result"],
  rows: ["affected_rows", "rows_affected", "row_count", "processed", "processed_count"],
  error: ["error", "error_message", "message", "sqlerrm"],
} as const;

/** Takes an old app.job_runs out of the way, whole: its indexes and sequences go with it. Gives what it did, in words. */
export async function moveOldRuns(session: Session): Promise<readonly string[]> {
  const { rows } = await session.query<{ there: boolean }>(
    "select pg_catalog.to_regclass('app.job_runs') is not null as there",
  );
  if (rows[0]?.there !== true) return [];
  await session.query(
    `create schema if not exists ${OLD_SCHEMA};
     comment on schema ${OLD_SCHEMA} is 'What was here before merchant-jobs adopted this database: nothing reads it.';
     alter table app.job_runs set schema ${OLD_SCHEMA}`,
  );
  return [`kept the old table app.job_runs as ${OLD_SCHEMA}.job_runs`];
}

/**
 * Copies every row of the old table into the new one. A run belongs to the job of the catalogue whose name or procedure
 * it has; any other name becomes a job that is switched off. Gives what it did, in words.
 */
export async function copyOldRuns(session: Session): Promise<readonly string[]> {
  const columns = await readColumns(session);
  if (columns === undefined) return [];
  const { job, started, finished, status, rows, error } = columns;
  if (job === undefined || started === undefined) {
    return [`copied none of its rows: no column of it says which job ran (${NAMES.job.join(", ")}) and when`];
  }
  const names = await session.query<{ name: string }>(
    `select distinct coalesce(pg_catalog.to_jsonb(o) ->> $1::text, '') as name from ${OLD_SCHEMA}.job_runs as o order by 1`,
    [job],
  );
  const jobs = new Map(names.rows.map(({ name }) => [name, jobOf(name)]));
  await makeJobs(session, [...new Set(jobs.values())]);
  const copied = await session.query(
    `insert into app.job_runs
       (job_id, scheduler, status, started_at, finished_at, affected_rows, error, backend_pid, statement_started_at)
     select j.job_id, 'pg_cron',
       case when r.ok then 'succeeded' when r.ended is null then 'abandoned' else 'failed' end,
       r.began, greatest(coalesce(r.ended, r.began), r.began), r.affected, r.error, 0, r.began
     from (
       select coalesce(o.row ->> $1::text, '') as name,
         coalesce((o.row ->> $2::text)::timestamptz, (o.row ->> $3::text)::timestamptz, pg_catalog.now()) as began,
         (o.row ->> $3::text)::timestamptz as ended,
         coalesce(case when o.row ->> $5::text ~ '^[0-9]{1,18}$' then (o.row ->> $5::text)::bigint end, 0) as affected,
         pg_catalog.left(nullif(o.row ->> $6::text, ''), 8000) as error,
         case
           when o.row ->> $4::text is null then nullif(o.row ->> $6::text, '') is null
           else lower(o.row ->> $4::text) in ('success', 'succeeded', 'successful', 'ok', 'done', 'completed', 'finished', 't', 'true')
         end as ok
       from (select pg_catalog.to_jsonb(t) as row from ${OLD_SCHEMA}.job_runs as t) as o
     ) as r
     join unnest($7::text[], $8::text[]) as m (old, name) on m.old = r.name
     join app.jobs as j on j.name = m.name
     order by r.began`,
    [job, started, finished, status, rows, error, [...jobs.keys()], [...jobs.values()]],
  );
  const other = [...new Set(jobs.values())].filter((name) => !(name in JOBS));
  return [
    `copied ${copied.rowCount ?? 0} rows of it into app.job_runs` +
      (other.length > 0 ? `, those of ${other.join(", ")} as runs of jobs that are switched off` : ""),
  ];
}

type Columns = { readonly [K in keyof typeof NAMES]: string | undefined };

/** Which column of the old table is which; undefined when there is no old table. */
async function readColumns(session: Session): Promise<Columns | undefined> {
  const { rows } = await session.query<{ name: string }>(
    `select a.attname as name from pg_catalog.pg_attribute as a
     where a.attrelid = pg_catalog.to_regclass('${OLD_SCHEMA}.job_runs') and a.attnum > 0 and not a.attisdropped`,
  );
  if (rows.length === 0) return undefined;
  const there = new Set(rows.map(({ name }) => name));
  const first = (names: readonly string[]) => names.find((name) => there.has(name));
  return Object.fromEntries(Object.entries(NAMES).map(([key, names]) => [key, first(names)])) as unknown as Columns;
}

/** The job of the catalogue that an old name means: its own name, or its procedure's with or without the schema. */
function jobOf(old: string): string {
  const known = Object.entries(JOBS).find(([name, { procedure }]) =>
    [name, procedure, procedure.replace(/^app\./, "")].includes(old.replace(/\(\)$/, "").trim().toLowerCase()),
  );
  if (known) return known[0];
  const words = old.toLowerCase().replace(/[^a-z0-9_]+/g, "_");
  return `${/^[a-z]/.test(words) ? "" : "job_"}${words}`.slice(0, 31);
}

/** The crontab's next apply writes what the catalogue says of those that it has. */
async function makeJobs(session: Session, names: readonly string[]): Promise<void> {
  await session.query(
    `insert into app.jobs (name, batch_function, batch_size, time_limit_seconds, enabled)
     select n, 'app.' || n || '_batch', 1, 1, false from unnest($1::text[]) as n
     on conflict (name) do nothing`,
    [names],
  );
}
