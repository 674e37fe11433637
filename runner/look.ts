import type pg from "pg";
import { CRON_DATABASE } from "../converge/session.ts";
import { codeOf } from "../converge/errors.ts";
import type { Scheduler } from "../spec/cells.ts";
import { assertDirect, connect, LOOK_TIMEOUT, type Server } from "./connection.ts";
import { type CrontabLine, type Days, type JobHealth, NO_DAYS } from "./knowledge.ts";
import { steadyNow } from "./steady-clock.ts";

/** A merchant as the registry of its cell has it. */
export interface Registered {
  readonly merchant: string;
  readonly database: string;
  readonly suspended: boolean;
  readonly scheduler: Scheduler;
}

/** What one look at a cell's cron database gives. Times in milliseconds since 1970. */
export interface CellLook {
  readonly merchants: readonly Registered[];
  /** Whether pg_cron's launcher runs; undefined where it does not and no merchant needs it. */
  readonly launcher: boolean | undefined;
  /** When pg_cron started its newest run; undefined when it has none, or there is no pg_cron. */
  readonly lastStartedAt: number | undefined;
  /** The server's clock, asked at `askedAt` of ours. */
  readonly serverTime: number;
  readonly askedAt: number;
  /** How far `askedAt` may be wrong to either side: half of what the answer took. */
  readonly within: number;
  /** Of the processes that were asked for, those that the server has not. */
  readonly gone: readonly number[];
  /** What pg_cron has of each merchant, by its name; undefined when it was not asked for. */
  readonly crontabs?: ReadonlyMap<string, readonly CrontabLine[]>;
}

/**
 * Looks at a cell, and for processes of ours that should be there; `withCrontabs` at what pg_cron has too. Throws
 * `not_connected`, and `unsupported` behind a pooler.
 */
export async function lookAtCell(
  server: Server,
  pids: readonly number[] = [],
  withCrontabs = false,
): Promise<CellLook> {
  const connection = await connect(server, CRON_DATABASE, LOOK_TIMEOUT);
  try {
    await assertDirect(connection, server);
    const clock = await readClock(connection.client);
    const health = await connection.client.query<{ launcher: boolean; last: Date | null }>(
      "select h.launcher, h.last_started_at as last from merchant_jobs.cell_health() as h",
    );
    const merchants = await connection.client.query<Registered>(
      `select m.merchant, m.database_name as database, m.suspended, m.scheduler
       from merchant_jobs.merchants as m where m.dropping_since is null order by m.merchant`,
    );
    const { launcher = false, last } = health.rows[0] ?? {};
    const isNeeded = merchants.rows.some(({ scheduler }) => scheduler === "pg_cron");
    return {
      merchants: merchants.rows,
      launcher: launcher || isNeeded ? launcher : undefined,
      lastStartedAt: last?.getTime(),
      ...clock,
      gone: pids.length === 0 ? [] : await readGone(connection.client, pids),
      ...(withCrontabs && { crontabs: await readCrontabs(connection.client) }),
    };
  } finally {
    await connection.close();
  }
}

/** In a query of its own: in one that does more, nobody knows when of its time the clock was read. */
async function readClock(client: pg.ClientBase): Promise<Pick<CellLook, "serverTime" | "askedAt" | "within">> {
  const began = steadyNow();
  const { rows } = await client.query<{ now: string }>(
    "select (extract(epoch from pg_catalog.clock_timestamp()) * 1000)::text as now",
  );
  const within = (steadyNow() - began) / 2;
  return { serverTime: Number(rows[0]?.now), askedAt: began + within, within };
}

/** SQLSTATE of a function that is not there: the cell has not had an `up` since it came. */
const UNDEFINED_FUNCTION = "42883";

async function readCrontabs(client: pg.ClientBase): Promise<ReadonlyMap<string, readonly CrontabLine[]>> {
  try {
    const { rows } = await client.query<{
      merchant: string;
      job: string;
      schedule: string;
      command: string | null;
      active: boolean;
    }>("select c.merchant, c.job, c.schedule, c.command, c.active from merchant_jobs.crontab() as c");
    const lines = rows.map(({ merchant, job: name, schedule, command, active }) => {
      return { merchant, line: { name, schedule, command: command ?? undefined, active } };
    });
    const byMerchant = Map.groupBy(lines, ({ merchant }) => merchant);
    return new Map([...byMerchant].map(([merchant, all]) => [merchant, all.map(({ line }) => line)]));
  } catch (error) {
    if (codeOf(error) === UNDEFINED_FUNCTION) return new Map();
    throw error;
  }
}

/** Another server, in the place of one that died, may have a process of another's by that number. */
async function readGone(client: pg.ClientBase, pids: readonly number[]): Promise<readonly number[]> {
  const { rows } = await client.query<{ pid: number }>(
    `select p.pid from pg_catalog.unnest($1::integer[]) as p (pid)
     where not exists (
       select from pg_catalog.pg_stat_activity as a where a.pid = p.pid and a.usename = current_user
     )`,
    [pids],
  );
  return rows.map(({ pid }) => pid);
}

/** A job as app.jobs has it, beside how it is. */
export interface JobLook extends JobHealth {
  readonly timeLimitSeconds: number;
}

interface JobRow {
  readonly job: string;
  readonly enabled: boolean;
  readonly schedule: string | null;
  readonly timezone: string;
  readonly due_from: Date;
  readonly seconds: number;
  readonly last_success_at: Date | null;
  readonly last_status: string | null;
  readonly last_error: string | null;
  readonly failures: number;
  readonly failing_since: Date | null;
  readonly claimed_at: Date | null;
  readonly claim: string | null;
  readonly running_since: Date | null;
  readonly overdue_since: Date | null;
  readonly behind: boolean;
  readonly behind_since: Date | null;
  readonly quarantined: number;
  readonly quarantined_since: Date | null;
  readonly zone_unknown: boolean;
}

/** Reads how the jobs of a merchant are, in its database. */
export async function readJobs(client: pg.ClientBase): Promise<readonly JobLook[]> {
  const { rows } = await client.query<JobRow>(
    `select h.job, h.enabled, h.schedule, h.timezone, greatest(j.due_from, 'epoch') as due_from, j.time_limit_seconds::integer as seconds,
       h.last_success_at, h.last_status, h.last_error,
       h.failures_in_row::integer as failures, h.running_since, h.overdue_since, h.behind,
       h.quarantined::integer as quarantined, h.zone_unknown,
       (
         select pg_catalog.min(r.started_at) from app.job_runs as r
         where h.failures_in_row > 0 and r.job_id = j.job_id and r.status in ('failed', 'abandoned')
           and r.run_id > coalesce(
             (select pg_catalog.max(s.run_id) from app.job_runs as s
              where s.job_id = j.job_id and s.status = 'succeeded'), 0)
       ) as failing_since,
       claim.run_id::text as claim, claim.started_at as claimed_at,
       (
         select pg_catalog.min(r.started_at) from app.job_runs as r
         where h.behind and r.job_id = j.job_id and r.status = 'succeeded' and r.more
           and r.started_at > coalesce(h.last_success_at, '-infinity')
       ) as behind_since,
       (
         select pg_catalog.min(q.since) from app.job_quarantine as q where q.job_id = j.job_id
       ) as quarantined_since
     from app.job_health as h join app.jobs as j on j.name = h.job
     left join app.job_runs as claim
       on claim.job_id = j.job_id and claim.status = 'running' and h.running_since is null
     order by h.job`,
  );
  const abandoned = await readAbandoned(client, rows);
  return rows.map((row) => ({
    job: row.job,
    enabled: row.enabled,
    schedule: row.schedule ?? undefined,
    timezone: row.timezone,
    dueFrom: row.due_from.getTime(),
    timeLimitSeconds: row.seconds,
    lastSuccessAt: row.last_success_at?.getTime(),
    lastStatus: row.last_status ?? undefined,
    lastError: row.last_error ?? undefined,
    failuresInRow: row.failures,
    failingSince: row.failing_since?.getTime(),
    abandonedSince: row.claim !== null && abandoned.has(row.claim) ? row.claimed_at?.getTime() : undefined,
    runningSince: row.running_since?.getTime(),
    overdueSince: row.overdue_since?.getTime(),
    behind: row.behind,
    behindSince: row.behind_since?.getTime(),
    quarantined: row.quarantined,
    quarantinedSince: row.quarantined_since?.getTime(),
    zoneUnknown: row.zone_unknown,
  }));
}

/**
 * Of the claims that looked dead, those that are. A run that ends in the middle of a statement is running by the statement's
 * snapshot and has no session by what is asked after it; asked once more, it has ended.
 */
async function readAbandoned(client: pg.ClientBase, rows: readonly JobRow[]): Promise<ReadonlySet<string>> {
  const claims = rows.flatMap(({ claim }) => claim ?? []);
  if (claims.length === 0) return new Set();
  const { rows: found } = await client.query<{ run: string }>(
    "select r.run_id::text as run from app.job_runs as r where r.run_id = any ($1::bigint[]) and r.status = 'running'",
    [claims],
  );
  return new Set(found.map(({ run }) => run));
}

/** Reads what the jobs of a merchant did on each of the last 30 days, by job. */
async function readDays(client: pg.ClientBase): Promise<Days> {
  const { rows } = await client.query<{ days: Days | null }>(
    `select pg_catalog.json_object_agg(d.job, d.days)::text as days
     from (
       select d.job, pg_catalog.json_agg(
           pg_catalog.json_build_array(d.day, d.runs, d.failures, d.rows, d.seconds) order by d.day
         ) as days
       from (
         select j.name as job, pg_catalog.to_char(r.started_at at time zone 'GMT', 'YYYY-MM-DD') as day,
           pg_catalog.count(*) as runs,
           pg_catalog.count(*) filter (where r.status in ('failed', 'abandoned')) as failures,
           pg_catalog.sum(r.affected_rows) as rows,
           pg_catalog.round(
             coalesce(pg_catalog.max(extract(epoch from r.finished_at - r.started_at)), 0), 3
           ) as seconds
         from app.job_runs as r join app.jobs as j on j.job_id = r.job_id
         where r.status <> 'skipped'
           and r.started_at >= pg_catalog.date_trunc('day', pg_catalog.clock_timestamp(), 'GMT') - interval '29 days'
         group by 1, 2
       ) as d
       group by d.job
     ) as d`,
  );
  return rows[0]?.days ?? NO_DAYS;
}

/** Visits a merchant. `withDays` reads its last 30 days too. */
export async function visitMerchant(server: Server, database: string, withDays: boolean) {
  const connection = await connect(server, database, LOOK_TIMEOUT);
  try {
    const jobs = await readJobs(connection.client);
    return { jobs, ...(withDays && { days: await readDays(connection.client) }) };
  } finally {
    await connection.close();
  }
}
