import { type PgCronVersion, parseSchedule } from "../spec/schedule.ts";
import { ConvergeError, codeOf, SQLSTATE } from "./errors.ts";
import type { CronRow } from "./crontab-plan.ts";
import type { CellAddress } from "./address.ts";
import { readStanding } from "./aws/standing.ts";
import { type Session, withCronSession } from "./session.ts";

/** Whether the cron database has pg_cron, which a cell needs only where pg_cron starts the jobs. */
async function hasPgCron(session: Session): Promise<boolean> {
  const { rows } = await session.query<{ there: boolean }>(
    "select exists (select from pg_catalog.pg_extension as e where e.extname = 'pg_cron') as there",
  );
  return rows[0]?.there === true;
}

/**
 * Makes sure that the administrator sees every job, and gives pg_cron's version as `1.4`; undefined where there is none
 * and the runner starts the jobs. Row security shows a role its own rows only; who may not see others' would take every
 * job for lost. Throws `unsupported`, `cannot_look`.
 */
export async function assertCanLook(
  session: Session,
  { cell, scheduler }: Pick<CellAddress, "cell" | "scheduler">,
): Promise<string | undefined> {
  // Asked by itself: what fails here would end the caller's transaction.
  if (scheduler === "runner" && !(await hasPgCron(session))) return undefined;
  const found = await session
    .query<{ version: string; hidden: boolean; readable: boolean; admin: string }>(
      `select e.extversion as version,
         -- On RDS a member of rds_superuser sees all, whatever the policy says.
         pg_catalog.row_security_active('cron.job'::regclass) and not (
           pg_catalog.current_setting('rds.extensions', true) is not null
           and exists (
             select from pg_catalog.pg_roles as r
             where r.rolname = 'rds_superuser' and pg_catalog.pg_has_role(current_user, r.oid, 'usage')
           )
         ) as hidden,
         pg_catalog.has_table_privilege('cron.job', 'select') as readable,
         current_user as admin
       from pg_catalog.pg_extension as e where e.extname = 'pg_cron'`,
    )
    .catch((error: unknown) => {
      throw cannotLook(cell, error);
    });
  const row = found.rows[0];
  if (row === undefined) throw noPgCron(cell);
  if (row.hidden || !row.readable) {
    const missing = [...(row.readable ? [] : ["SELECT on cron.job"]), ...(row.hidden ? ["BYPASSRLS"] : [])].join(
      " and ",
    );
    throw new ConvergeError(
      "cannot_look",
      `cell ${cell}: could not look, because ${row.admin} lacks ${missing} and sees only its own jobs; ` +
        "nothing was planned: run sql/server/administrator.sql in database cron as superuser",
    );
  }
  return row.version;
}

function noPgCron(cell: string, cause?: unknown): ConvergeError {
  return new ConvergeError(
    "unsupported",
    `cell ${cell}: pg_cron is not in database cron; as superuser, in that database: create extension pg_cron, then run ` +
      "sql/server/administrator.sql; or write scheduler: runner, and let the runner start the jobs (docs/runner.md)",
    { cause },
  );
}

function cannotLook(cell: string, error: unknown): unknown {
  const code = codeOf(error);
  if (code === SQLSTATE.invalidSchemaName || code === SQLSTATE.undefinedTable) return noPgCron(cell, error);
  if (code !== SQLSTATE.insufficientPrivilege) return error;
  return new ConvergeError(
    "cannot_look",
    `cell ${cell}: could not look, because the administrator lacks USAGE on schema cron; nothing was planned: ` +
      "run sql/server/administrator.sql in database cron as superuser",
    { cause: error },
  );
}

/** Throws `unsupported` with every schedule that needs a newer pg_cron than the server has. */
export function assertSupported(cell: string, version: string, schedules: Readonly<Record<string, string>>): void {
  const problems = Object.entries(schedules).flatMap(([job, text]) => {
    const schedule = parseSchedule(text);
    if (schedule.kind === "problem") return [`${job}: "${text}": ${schedule.reason}`];
    return isOlder(version, schedule.requires) ? [`${job}: "${text}" needs pg_cron ${schedule.requires}`] : [];
  });
  if (problems.length === 0) return;
  throw new ConvergeError(
    "unsupported",
    [`cell ${cell} has pg_cron ${version}, nothing was written, because`, ...problems].join("\n- ") +
      "\nwrite these schedules in five fields, or upgrade pg_cron",
  );
}

/**
 * Throws `unsupported` when pg_cron opens a client connection for each run: that would need a password or trust for
 * every job role, and our job roles may not log in; and `cell_not_ready` when its library is not loaded, on RDS with the
 * sentence that says what the instance waits for. Who may not see its settings is not refused (pg_read_all_settings).
 */
export async function assertRuns(session: Session, address: CellAddress): Promise<void> {
  const found = await session.query<{ workers: string | null; loaded: boolean }>(
    `select (select s.setting from pg_catalog.pg_settings as s where s.name = 'cron.use_background_workers') as workers,
       exists (select from pg_catalog.pg_settings as s where s.name = 'cron.database_name')
         or not pg_catalog.pg_has_role(current_user, 'pg_read_all_settings', 'usage') as loaded`,
  );
  const [row] = found.rows;
  if (row?.loaded === false) throw new ConvergeError("cell_not_ready", await notLoaded(address));
  if (row?.workers !== "off") return;
  throw new ConvergeError(
    "unsupported",
    `cell ${address.cell}: cron.use_background_workers is off, so every job would fail to log in; nothing was written: ` +
      "set it to on in postgresql.conf and restart the server",
  );
}

async function notLoaded({ cell, rds }: CellAddress): Promise<string> {
  const standing = rds === undefined ? undefined : await readStanding(rds);
  if (standing !== undefined && standing.state !== "ready") return standing.sentence;
  return (
    `cell ${cell}: pg_cron is not loaded, so no job runs; nothing was written: add pg_cron to shared_preload_libraries ` +
    "and restart the server"
  );
}

function isOlder(version: string, than: PgCronVersion): boolean {
  const parts = (text: string) => text.split(/[.-]/).map(Number);
  const [major = 0, minor = 0] = parts(version);
  const [wantedMajor = 0, wantedMinor = 0] = parts(than);
  return major < wantedMajor || (major === wantedMajor && minor < wantedMinor);
}

/**
 * Every job of pg_cron that is of a merchant: in its database, whoever's it is, and its job role's, wherever. None where
 * there is no pg_cron and the runner starts the jobs.
 */
export async function readCronRows(
  session: Session,
  { scheduler }: Pick<CellAddress, "scheduler">,
  of: { readonly database: string; readonly jobRole: string },
): Promise<readonly CronRow[]> {
  if (scheduler === "runner" && !(await hasPgCron(session))) return [];
  const rows = await session.query<CronRow>(
    `select j.jobid::text as jobid, j.jobname::text as jobname, j.username, j.database, j.schedule, j.command, j.active
     from cron.job as j
     where j.database = $1::text or j.username = $2::text
     order by j.jobid`,
    [of.database, of.jobRole],
  );
  return rows.rows;
}

/** Throws `unsupported` when the pg_cron of a server, installed or ready to be, is older than a version. */
export async function assertServerSupports(address: CellAddress, needed: PgCronVersion): Promise<void> {
  const version = await withCronSession(address, async (session) => {
    const found = await session.query<{ version: string | null }>(
      `select coalesce(a.installed_version, a.default_version) as version
       from pg_catalog.pg_available_extensions as a where a.name = 'pg_cron'`,
    );
    return found.rows[0]?.version ?? undefined;
  });
  if (version === undefined) {
    throw new ConvergeError(
      "unsupported",
      `cell ${address.cell}: the server has no pg_cron; install it, or choose another server`,
    );
  }
  if (!isOlder(version, needed)) return;
  throw new ConvergeError(
    "unsupported",
    `cell ${address.cell} has pg_cron ${version}, and a schedule of its merchants needs ${needed} ` +
      "(seconds came with 1.5, $ with 1.6); nothing was written: write it in five fields, or upgrade pg_cron",
  );
}
