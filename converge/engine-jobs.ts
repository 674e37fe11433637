import { isDeepStrictEqual } from "node:util";
import { dueScheduleOf } from "../spec/due.ts";
import { parseSchedule } from "../spec/schedule.ts";
import type { CellAddress } from "./address.ts";
import { ConvergeError, codeOf, messageOf, SQLSTATE } from "./errors.ts";
import { applyLastResort, lastResortOf } from "./last-resort.ts";
import { isForbidden, isMissingDatabase } from "./refusals.ts";
import {
  isShutDatabase,
  lockInTransaction,
  type Session,
  withSession,
  withSharedSession,
  withTransaction,
} from "./session.ts";

/** What the job engine in a merchant's database knows of a job: a row of app.jobs. */
export interface EngineJob {
  /** schema.name of the batch function. */
  readonly batchFunction: string;
  readonly batchSize: number;
  readonly timeLimitSeconds: number;
  /** Catch-up runs it before jobs that do not. */
  readonly movesMoney: boolean;
  /** When it is due, in `timezone`. */
  readonly due: string;
  readonly timezone: string;
  /** False when the job is switched off or its merchant suspended. */
  readonly enabled: boolean;
  readonly settings: Readonly<Record<string, unknown>>;
}

/** A row as it was found. */
export interface FoundEngineJob extends Omit<EngineJob, "due"> {
  readonly due: string | null;
  /** What app.last_due computes with, when that is not what `due` says. */
  readonly dueSchedule?: string;
}

interface Row {
  readonly name: string;
  readonly function: string;
  readonly size: string;
  readonly limit: string;
  readonly money: boolean;
  readonly schedule: string | null;
  readonly due_schedule: unknown;
  readonly timezone: string;
  readonly enabled: boolean;
  readonly settings: Readonly<Record<string, unknown>>;
}

/** Reads app.jobs; undefined when the database is not there or closed, or the administrator may not look into it. */
export async function readEngineJobs(
  address: CellAddress,
  database: string,
): Promise<Readonly<Record<string, FoundEngineJob>> | undefined> {
  try {
    return await withSharedSession(address, database, async (session) => {
      const there = await session.query<{ there: boolean }>(
        "select pg_catalog.to_regclass('app.jobs') is not null as there",
      );
      if (there.rows[0]?.there !== true) return {};
      const found = await session.query<Row>(
        `select j.name, j.batch_function as function, j.batch_size::text as size, j.time_limit_seconds::text as limit,
           j.moves_money as money,
           j.schedule, j.due_schedule, j.timezone, j.enabled, j.settings
         from app.jobs as j order by j.name`,
      );
      return Object.fromEntries(found.rows.map((row) => [row.name, foundJob(row)]));
    });
  } catch (error) {
    if (isMissingDatabase(error) || isForbidden(error)) return undefined;
    if (await isShutDatabase(address, database, error)) return undefined;
    throw error;
  }
}

function foundJob(row: Row): FoundEngineJob {
  const { schedule: due, due_schedule: dueSchedule, timezone, enabled, settings } = row;
  const limits = { batchSize: Number(row.size), timeLimitSeconds: Number(row.limit), movesMoney: row.money };
  const job = { batchFunction: row.function, ...limits, due, timezone, enabled, settings };
  const asParsed = due === null || isDeepStrictEqual(dueSchedule, dueOf(due));
  return asParsed ? job : { ...job, dueSchedule: JSON.stringify(dueSchedule) };
}

/** The parsed form of a schedule; undefined for a text that is none. */
function dueOf(text: string): Readonly<Record<string, unknown>> | undefined {
  const schedule = parseSchedule(text);
  return schedule.kind === "problem" ? undefined : dueScheduleOf(schedule);
}

/**
 * Writes the rows of app.jobs that are missing or different, and the last resort that follows from their limits. A job that
 * left the catalogue keeps its row and its runs, and is disabled: catch-up would go on running it. Throws `unsupported` for a
 * time zone that the server does not know.
 */
export async function applyEngineJobs(
  address: CellAddress,
  database: string,
  jobs: Readonly<Record<string, EngineJob>>,
): Promise<void> {
  await withSession(address, database, (session) =>
    withTransaction(session, async () => {
      await lockInTransaction(session, "migrations");
      try {
        await write(session, jobs);
        await applyLastResort(session, database, lastResortOf(jobs));
      } catch (error) {
        if (codeOf(error) !== SQLSTATE.invalidParameterValue) throw error;
        throw zoneUnknown(address.cell, database, error);
      }
    }),
  );
}

/** PostgreSQL's own text names the zone. */
export function zoneUnknown(cell: string, database: string, cause: unknown): ConvergeError {
  return new ConvergeError(
    "unsupported",
    `cell ${cell}: PostgreSQL does not know a time zone that database ${database} needs (${messageOf(cause)}); nothing was ` +
      "written: install the server's time zone data (Debian: tzdata, and tzdata-legacy for old names), or write another name",
    { cause },
  );
}

/** What was due before schedule, time zone or enabled changed is not missed: due_from. Asking for a time tries the zone. */
async function write(session: Session, jobs: Readonly<Record<string, EngineJob>>): Promise<void> {
  const all = Object.entries(jobs);
  await session.query(
    `insert into app.jobs as j
       (name, batch_function, batch_size, time_limit_seconds, moves_money, schedule, due_schedule, timezone, enabled,
         settings)
     select w.name, w.function, w.size, w.seconds, w.money, w.schedule, w.due::jsonb, w.timezone, w.enabled,
       w.settings::jsonb
     from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::boolean[], $6::text[], $7::text[], $8::text[],
       $9::boolean[], $10::text[]) as w (name, function, size, seconds, money, schedule, due, timezone, enabled, settings)
     where pg_catalog.timezone(w.timezone, pg_catalog.now()) is not null
     on conflict (name) do update
     set batch_function = excluded.batch_function, batch_size = excluded.batch_size,
       time_limit_seconds = excluded.time_limit_seconds, moves_money = excluded.moves_money, schedule = excluded.schedule,
       due_schedule = excluded.due_schedule, timezone = excluded.timezone, enabled = excluded.enabled,
       settings = excluded.settings,
       due_from = case
         when (j.schedule, j.timezone, j.enabled) is distinct from (excluded.schedule, excluded.timezone, excluded.enabled)
         then pg_catalog.clock_timestamp() else j.due_from end
     where (j.batch_function, j.batch_size, j.time_limit_seconds, j.moves_money, j.schedule, j.due_schedule, j.timezone,
         j.enabled, j.settings)
       is distinct from (excluded.batch_function, excluded.batch_size, excluded.time_limit_seconds, excluded.moves_money,
         excluded.schedule, excluded.due_schedule, excluded.timezone, excluded.enabled, excluded.settings)`,
    [
      all.map(([name]) => name),
      all.map(([, job]) => job.batchFunction),
      all.map(([, job]) => job.batchSize),
      all.map(([, job]) => job.timeLimitSeconds),
      all.map(([, job]) => job.movesMoney),
      all.map(([, job]) => job.due),
      all.map(([, job]) => JSON.stringify(dueOf(job.due))),
      all.map(([, job]) => job.timezone),
      all.map(([, job]) => job.enabled),
      all.map(([, job]) => JSON.stringify(job.settings)),
    ],
  );
  await session.query(
    `update app.jobs set enabled = false, due_from = pg_catalog.clock_timestamp()
     where enabled and name <> all ($1::text[])`,
    [all.map(([name]) => name)],
  );
}
