import pg from "pg";
import { roleNames } from "../spec/names.ts";
import { quoteName } from "./roles.ts";
import type { Session } from "./session.ts";

/** Seconds that the last batches of the jobs may take together, each of which began within its job's limit. */
const MARGIN_SECONDS = 600;

/**
 * The longest that one statement of a merchant's job role may take, in seconds: catch-up runs each job once, up to its
 * limit, in one statement. What takes longer hangs, and on pg_cron 1.4 it holds up all jobs of its cell
 * (https://github.com/citusdata/pg_cron/issues/200).
 */
export function lastResortOf(jobs: Readonly<Record<string, { readonly timeLimitSeconds: number }>>): number {
  return Object.values(jobs).reduce((sum, { timeLimitSeconds }) => sum + timeLimitSeconds, MARGIN_SECONDS);
}

/**
 * Makes it the role's statement_timeout in this database, and what is expected of it (sql/objects/), so that another
 * one is drift, which sql/merchant/access.sql heals.
 */
export async function applyLastResort(session: Session, database: string, seconds: number): Promise<void> {
  const { jobRole } = roleNames(database);
  const setting = `statement_timeout=${String(seconds)}s`;
  const found = await session.query<{ set: boolean }>(
    `select exists (
       select
       from pg_catalog.pg_db_role_setting as s
       join pg_catalog.pg_database as d on d.oid = s.setdatabase
       join pg_catalog.pg_roles as r on r.oid = s.setrole
       where d.datname = pg_catalog.current_database() and r.rolname = $1::text and $2::text = any (s.setconfig)
     ) as set`,
    [jobRole, setting],
  );
  if (found.rows[0]?.set !== true) {
    const value = pg.escapeLiteral(`${String(seconds)}s`);
    const role = `${quoteName(jobRole)} in database ${quoteName(database)}`;
    await session.query(`alter role ${role} set statement_timeout = ${value}`);
  }
  await session.query(
    `update merchant_jobs.expected_objects
     set definition = pg_catalog.regexp_replace(definition, 'statement_timeout=[0-9a-z]+', $2::text)
     where object = $1::text
       and pg_catalog.substring(definition, 'statement_timeout=[0-9a-z]+') is distinct from $2::text`,
    [`settings of role ${jobRole}`, setting],
  );
}
