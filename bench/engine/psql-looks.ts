import pg from "pg";
import { OBJECTS_QUERY } from "../../converge/objects.ts";
import { cronJobName } from "../../spec/names.ts";
import type { MerchantSpec } from "../../spec/merchants.ts";
import type { PsqlCall } from "../psql.ts";

const text = pg.escapeLiteral;

/** Reads the merchant's roles with attributes and comment, and who is a member of what. */
export function rolesLook({ ownerRole, appRole, jobRole }: MerchantSpec): string {
  const names = [ownerRole, appRole, jobRole].map(text).join(", ");
  return `
    select r.*, pg_catalog.shobj_description(r.oid, 'pg_authid') from pg_catalog.pg_roles as r where r.rolname in (${names});
    select m.rolname, r.rolname
    from pg_catalog.pg_auth_members as am
    join pg_catalog.pg_roles as m on m.oid = am.member
    join pg_catalog.pg_roles as r on r.oid = am.roleid
    where m.rolname in (${names}) or (m.rolname = current_user and r.rolname in (${names}));`;
}

/** Reads the database's row: owner, limit, encoding. */
export function databaseLook({ database }: MerchantSpec): string {
  return `
    select d.*, pg_catalog.pg_get_userbyid(d.datdba), ts.spcname
    from pg_catalog.pg_database as d
    join pg_catalog.pg_tablespace as ts on ts.oid = d.dattablespace
    where d.datname = ${text(database)};`;
}

/** Reads, in the merchant's database, what was applied and what does not look as it did right after that. */
export const historyLook = `
    select f.file, f.kind, f.sha256 from merchant_jobs.applied_files as f order by f.file;
    with now as materialized (${OBJECTS_QUERY})
    select coalesce(now.object, e.object), pg_catalog.to_jsonb(e), pg_catalog.to_jsonb(now)
    from now
    full join merchant_jobs.expected_objects as e on e.object = now.object
    where now.definition is distinct from e.definition
      and (e.object is not null or now.parent in (select o.parent from merchant_jobs.expected_objects as o));`;

/** Reads the settings of the job engine, in the merchant's database. */
const jobsLook = `
    select j.name, j.batch_function, j.batch_size, j.time_limit_seconds, j.schedule, j.due_schedule, j.timezone, j.enabled,
      j.settings
    from app.jobs as j order by j.name;`;

/** Reads, in the cron database, the merchant's jobs. */
export function cronLook({ id, database, jobRole }: MerchantSpec): string {
  return `
    select j.jobid, j.jobname, j.username, j.database, j.schedule, j.command, j.active
    from cron.job as j
    where j.database = ${text(database)} or j.username = ${text(jobRole)}
      or pg_catalog.starts_with(j.jobname::text, ${text(cronJobName(id, ""))})
    order by j.jobid;`;
}

/** Reads, in the cron database, the merchant's entry in the registry. */
export function registryLook({ id }: MerchantSpec): string {
  return `
    select m.database_name, m.job_role, m.suspended, m.dropping_since
    from merchant_jobs.merchants as m where m.merchant = ${text(id)};`;
}

/** One look at a merchant: its history, its objects and its jobs in pg_cron. */
export function lookCalls(cronDatabase: string, merchant: MerchantSpec): readonly PsqlCall[] {
  return [
    { database: merchant.database, sql: historyLook },
    { database: cronDatabase, sql: cronLook(merchant) },
  ];
}

/**
 * Everything that the refresh of a merchant's resources reads. What belongs to the whole server is read in the cron database.
 */
export function readCalls(cronDatabase: string, merchant: MerchantSpec): readonly PsqlCall[] {
  return [
    { database: merchant.database, sql: historyLook + jobsLook },
    {
      database: cronDatabase,
      sql: [rolesLook, databaseLook, cronLook, registryLook].map((look) => look(merchant)).join(""),
    },
  ];
}
