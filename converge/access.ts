import {
  type AccessDifferences,
  type AccessState,
  type AccessStep,
  type AccessTarget,
  describeAccess,
  type Membership,
  planAccess,
  roleComment,
} from "./access-plan.ts";
import { assertCanLook } from "./cron-server.ts";
import { ConvergeError, codeOf, SQLSTATE } from "./errors.ts";
import { quoteName } from "./roles.ts";
import { lockInTransaction, type Session, withCronSession, withTransaction } from "./session.ts";

/** Reads what differs; undefined when neither of our two roles is there. */
export async function readAccess(target: AccessTarget): Promise<AccessDifferences | undefined> {
  const found = await withCronSession(target.address, (session) => readState(session, target));
  if (found.roles[target.appRole] === undefined && found.roles[target.jobRole] === undefined) return undefined;
  return describeAccess(planAccess(target, found), found);
}

/**
 * Makes roles and memberships what they shall be; gives the steps that were taken. Throws `name_taken` for a `fresh`
 * merchant when a role of its name is there that is not ours: it would get the ledger's rights and keep its password.
 */
export async function applyAccess(
  target: AccessTarget,
  options: { readonly fresh?: boolean } = {},
): Promise<readonly AccessStep[]> {
  return withCronSession(target.address, (session) =>
    withTransaction(session, async () => {
      await lockInTransaction(session, "roles");
      const found = await readState(session, target);
      if (options.fresh) assertOurs(target, found);
      const steps = planAccess(target, found);
      for (const step of steps) {
        try {
          await session.query(step.statement);
        } catch (error) {
          if (codeOf(error) !== SQLSTATE.insufficientPrivilege) throw error;
          throw new ConvergeError(
            "missing_right",
            `cell ${target.address.cell}: ${target.address.user} may not do this; a superuser can: ${step.statement};`,
            { cause: error },
          );
        }
      }
      const left = steps.length > 0 ? planAccess(target, await readState(session, target)) : [];
      if (left.length > 0) {
        throw new ConvergeError(
          "missing_right",
          `cell ${target.address.cell}: this had no effect, most likely because another role granted it; nothing was ` +
            `changed; a superuser can: ${left.map(({ statement }) => statement).join("; ")};`,
        );
      }
      return steps;
    }),
  );
}

function assertOurs(target: AccessTarget, found: AccessState): void {
  const taken = [target.appRole, target.jobRole].filter((role) => {
    const now = found.roles[role];
    return now !== undefined && now.comment !== roleComment(target.merchant);
  });
  if (taken.length === 0) return;
  throw new ConvergeError(
    "name_taken",
    `merchant ${target.merchant} of cell ${target.address.cell}: ${taken.join(" and ")} exists already and was not made ` +
      "for it; nothing was changed: rename or drop that role, or give the merchant another database, after which its " +
      "roles are named",
  );
}

/**
 * Drops the two roles. Throws `cron_jobs_left` while one of the merchant's roles owns a pg_cron job: pg_cron's launcher
 * dies on a job whose role is gone, and then no job of any merchant of the cell runs.
 */
export async function deleteAccess(target: AccessTarget): Promise<void> {
  const roles = [target.ownerRole, target.appRole, target.jobRole];
  await withCronSession(target.address, (session) =>
    withTransaction(session, async () => {
      await lockInTransaction(session, "roles");
      await lockInTransaction(session, "crontab");
      const left = await readJobsOf(session, target, roles);
      if (left.length > 0) {
        const jobs = left.map((row) => `#${row.jobid} of ${row.username}`).join(", ");
        throw new ConvergeError(
          "cron_jobs_left",
          `merchant ${target.merchant} of cell ${target.address.cell}: its roles stay, because they own pg_cron jobs (${jobs}) and ` +
            "dropping them would stop pg_cron for every merchant; unschedule these jobs first",
        );
      }
      try {
        await session.query(`drop role if exists ${quoteName(target.appRole)}, ${quoteName(target.jobRole)}`);
      } catch (error) {
        if (codeOf(error) !== SQLSTATE.dependentObjectsStillExist) throw error;
        throw new ConvergeError(
          "in_use",
          `merchant ${target.merchant} of cell ${target.address.cell}: its roles stay, because something still belongs to them or ` +
            "grants them rights, most likely the merchant's database: drop that first",
          { cause: error },
        );
      }
    }),
  );
}

/** The jobs that pg_cron has of these roles; none where there is no pg_cron. */
async function readJobsOf(session: Session, { address }: AccessTarget, roles: readonly string[]) {
  if ((await assertCanLook(session, address)) === undefined) return [];
  const { rows } = await session.query<{ jobid: string; username: string }>(
    "select j.jobid::text as jobid, j.username from cron.job as j where j.username = any ($1::text[]) order by j.jobid",
    [roles],
  );
  return rows;
}

async function readState(session: Session, target: AccessTarget): Promise<AccessState> {
  const names = [target.ownerRole, target.appRole, target.jobRole];
  const roles = await session.query<{ name: string; attributes: string[]; comment: string | null; version: string }>(
    `select r.rolname as name,
       array_remove(array[
         case when r.rolcanlogin then 'LOGIN' end, case when r.rolsuper then 'SUPERUSER' end,
         case when r.rolcreatedb then 'CREATEDB' end, case when r.rolcreaterole then 'CREATEROLE' end,
         case when r.rolreplication then 'REPLICATION' end, case when r.rolbypassrls then 'BYPASSRLS' end], null) as attributes,
       pg_catalog.shobj_description(r.oid, 'pg_authid') as comment,
       pg_catalog.current_setting('server_version_num') as version
     from pg_catalog.pg_roles as r where r.rolname = any ($1::text[]) or r.rolname = current_user`,
    [names],
  );
  // Several grantors may have made a membership; what one of them allows counts. The options came with PostgreSQL 16.
  const memberships = await session.query<Membership>(
    `select m.rolname as member, r.rolname as role,
       bool_or(coalesce((to_jsonb(am) ->> 'inherit_option')::boolean, true)) as inherits,
       bool_or(coalesce((to_jsonb(am) ->> 'set_option')::boolean, true)) as sets,
       bool_or(am.admin_option) as administers,
       bool_and(m.rolname <> current_user and not m.rolcreaterole and not m.rolsuper and not exists (
         select from merchant_jobs.merchants as o
         where m.rolname in (o.database_name || '_owner', o.database_name || '_app', o.database_name || '_job')
       )) as stranger
     from pg_catalog.pg_auth_members as am
     join pg_catalog.pg_roles as m on m.oid = am.member
     join pg_catalog.pg_roles as r on r.oid = am.roleid
     where m.rolname = any ($1::text[]) or r.rolname in ($2::text, $3::text)
       or (m.rolname = current_user and r.rolname = $4::text)
     group by m.rolname, r.rolname
     order by m.rolname, r.rolname`,
    [names, target.ownerRole, target.jobRole, target.appRole],
  );
  return {
    roles: Object.fromEntries(
      roles.rows
        .filter((r) => names.includes(r.name))
        .map((r) => [r.name, { attributes: r.attributes, comment: r.comment }]),
    ),
    memberships: memberships.rows,
    majorVersion: Math.floor(Number(roles.rows[0]?.version ?? 0) / 10_000),
  };
}
