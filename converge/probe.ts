import { setTimeout } from "node:timers/promises";
import { JOBS } from "../spec/jobs.ts";
import { roleComment } from "./access-plan.ts";
import type { CellAddress } from "./address.ts";
import { readStanding } from "./aws/standing.ts";
import { assertCanLook } from "./cron-server.ts";
import { ConvergeError } from "./errors.ts";
import {
  type Findings,
  findProblems,
  findStopping,
  notReady,
  type PgCronFacts,
  type ProbeFacts,
} from "./probe-plan.ts";
import { type Session, withCronSession } from "./session.ts";

/** A launcher that ended is back within a second (bgw_restart_time of pg_cron is 1 s): look again before saying so. */
const LOOKS = 4;
const BETWEEN_LOOKS = 700;

/** Looks at a cell and changes nothing. Throws `cannot_look` where the administrator may not see what must be known. */
export async function readProbe(address: CellAddress): Promise<Findings> {
  const facts = await readFacts(address);
  return { ...findProblems(facts), ...(await findOnRds(address, isLoaded(facts))) };
}

/**
 * What of an instance on RDS is not as it shall be, besides what its server says: by AWS, who alone knows whether it waits for
 * a reboot. An up goes on with what only waits, when pg_cron runs.
 */
async function findOnRds({ rds }: CellAddress, loaded: boolean): Promise<Findings> {
  if (rds === undefined) return {};
  const standing = await readStanding(rds);
  if (standing.state === "ready") return {};
  return { [loaded ? "instance" : "shared_preload_libraries"]: standing.sentence };
}

/** pg_cron's settings are there when its library is. */
function isLoaded({ settings }: ProbeFacts): boolean {
  return settings["cron.database_name"] !== undefined;
}

/** Throws `cell_not_ready` with all that keeps the jobs of a cell from running as they shall. */
export async function assertReady(address: CellAddress): Promise<void> {
  const facts = await readFacts(address);
  const onRds = isLoaded(facts) ? {} : await findOnRds(address, false);
  const problems = { ...findStopping(facts), ...onRds };
  if (Object.keys(problems).length > 0) throw notReady(address.cell, problems);
}

function readFacts(address: CellAddress): Promise<ProbeFacts> {
  return withCronSession(address, async (session) => {
    const common = { settings: await readSettings(session), blind: await readBlind(session) };
    if (address.scheduler === "runner") {
      return { scheduler: "runner", ...common, runnerMayEnter: await mayRunnerEnter(session) };
    }
    await assertCanLook(session, address);
    await assertSeesSettings(session, address.cell);
    return { scheduler: "pg_cron", ...common, ...(await readPgCron(session)) };
  });
}

/** Settings of pg_cron that are hidden look like those of a server without it. */
async function assertSeesSettings(session: Session, cell: string): Promise<void> {
  const { rows } = await session.query<{ sees: boolean; admin: string }>(
    "select pg_catalog.pg_has_role(current_user, 'pg_read_all_settings', 'usage') as sees, current_user as admin",
  );
  if (rows[0]?.sees !== false) return;
  throw new ConvergeError(
    "cannot_look",
    `cell ${cell}: could not look, because ${rows[0].admin} lacks pg_read_all_settings and does not see how pg_cron is ` +
      "set; nothing was planned: run sql/server/administrator.sql in database cron as superuser",
  );
}

async function readSettings(session: Session): Promise<ProbeFacts["settings"]> {
  const { rows } = await session.query<{ name: string; setting: string }>(
    `select s.name, s.setting from pg_catalog.pg_settings as s
     where s.name like 'cron.%' or s.name in ('max_worker_processes', 'track_activities')`,
  );
  return Object.fromEntries(rows.map(({ name, setting }) => [name, setting]));
}

async function readBlind(session: Session): Promise<ProbeFacts["blind"]> {
  const { rows } = await session.query<{ role: string }>(
    `select r.rolname as role
     from merchant_jobs.merchants as m
     join pg_catalog.pg_database as d on d.datname = m.database_name
     join pg_catalog.pg_roles as r on r.oid = d.datdba
     where not pg_catalog.pg_has_role(r.oid, 'pg_read_all_stats', 'usage')
     order by 1`,
  );
  return rows.map(({ role }) => role);
}

/** Its password is known to nobody here, and the cell's routines made its role. */
async function mayRunnerEnter(session: Session): Promise<boolean> {
  const { rows } = await session.query<{ may: boolean }>(
    `select r.rolcanlogin and pg_catalog.has_database_privilege(r.oid, pg_catalog.current_database(), 'connect') as may
     from pg_catalog.pg_roles as r where r.rolname = 'merchant_jobs_runner'`,
  );
  return rows[0]?.may === true;
}

async function readPgCron(session: Session): Promise<Pick<PgCronFacts, "launcher" | "orphans" | "leftovers">> {
  const orphans = await session.query<{ role: string; jobs: string[] }>(
    `select j.username as role, pg_catalog.array_agg(j.jobid::text order by j.jobid) as jobs
     from cron.job as j
     where not exists (select from pg_catalog.pg_roles as r where r.rolname = j.username)
     group by j.username order by 1`,
  );
  const leftovers = await session.query<{ jobid: string; jobname: string; database: string }>(
    `select j.jobid::text as jobid, j.jobname::text as jobname, j.database
     from cron.job as j
     where pg_catalog.split_part(j.jobname::text, ':', 2) = any ($1::text[])
       and not exists (
         select from merchant_jobs.merchants as m where m.database_name = j.database or m.job_role = j.username
       )
       -- With its role and its database there it is a merchant's whose entry was lost, which its Crontab shows.
       and not exists (
         select from pg_catalog.pg_roles as r
         join pg_catalog.pg_database as d on d.datname = j.database
         where r.rolname = j.username
           and pg_catalog.shobj_description(r.oid, 'pg_authid') = $2::text || pg_catalog.split_part(j.jobname::text, ':', 1)
       )
     order by j.jobid`,
    [Object.keys(JOBS), roleComment("")],
  );
  return {
    launcher: await hasLauncher(session),
    orphans: Object.fromEntries(orphans.rows.map(({ role, jobs: of }) => [role, of])),
    leftovers: leftovers.rows,
  };
}

/** By its application_name (PgCronLauncherMain in pg_cron's src/pg_cron.c). */
async function hasLauncher(session: Session): Promise<boolean> {
  for (let look = 1; ; look += 1) {
    const { rows } = await session.query<{ there: boolean }>(
      `select exists (
         select from pg_catalog.pg_stat_activity as a
         where a.application_name = 'pg_cron scheduler' and a.backend_type is distinct from 'client backend'
       ) as there`,
    );
    if (rows[0]?.there === true) return true;
    if (look === LOOKS) return false;
    await setTimeout(BETWEEN_LOOKS);
  }
}
