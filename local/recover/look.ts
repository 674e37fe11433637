import type { CellAddress } from "../../converge/address.ts";
import { messageOf } from "../../converge/errors.ts";
import { type Session, withCronSession, withSession } from "../../converge/session.ts";
import { type RosterEntry, rolesOf } from "./judge.ts";
import type { CellFacts, DatabaseContent, DatabaseFacts, Owned, RoleFacts } from "./server-facts.ts";

/**
 * Looks for the roles and databases of merchants on their cell, into the databases too. Reads only; each merchant's
 * database is entered once. Throws `not_connected` when the cell itself cannot be reached.
 */
export async function lookAtCell(address: CellAddress, merchants: readonly RosterEntry[]): Promise<CellFacts> {
  const roleNames = merchants.flatMap((entry) => Object.values(rolesOf(entry)) as string[]);
  const { roles, databases } = await withCronSession(address, async (session) => ({
    roles: await readRoles(session, roleNames),
    databases: await readDatabases(
      session,
      merchants.map(({ database }) => database),
    ),
  }));
  const looked: DatabaseFacts[] = [];
  for (const found of databases) looked.push({ ...found, content: await readContent(address, found) });
  return {
    admin: address.user,
    roles: new Map(roles.map((role) => [role.name, role])),
    databases: new Map(looked.map((database) => [database.name, database])),
  };
}

async function readRoles(session: Session, names: readonly string[]): Promise<readonly RoleFacts[]> {
  const roles = await session.query<Omit<RoleFacts, "comment" | "owns"> & { readonly comment: string | null }>(
    `select r.rolname as name, pg_catalog.shobj_description(r.oid, 'pg_authid') as comment,
       r.rolcanlogin as login, r.rolsuper as superuser, r.rolcreatedb as "createDatabase",
       r.rolcreaterole as "createRole", r.rolinherit as inherit, r.rolreplication as replication,
       r.rolbypassrls as "bypassRowLevelSecurity", r.rolconnlimit as "connectionLimit",
       array(
         select g.rolname::text from pg_catalog.pg_auth_members as m join pg_catalog.pg_roles as g on g.oid = m.roleid
         where m.member = r.oid order by 1
       ) as roles
     from pg_catalog.pg_roles as r where r.rolname = any ($1::text[]) order by r.rolname`,
    [names],
  );
  // pg_shdepend has the owner of everything in every database, without entering it; pg_describe_object knows this
  // database's objects only.
  const owned = await session.query<{ role: string; database: string | null; what: string }>(
    `select r.rolname as role, coalesce(d.datname, o.datname) as database,
       case when o.datname is not null then 'database ' || o.datname
         when d.datname is not null then 'objects in database ' || d.datname
         else pg_catalog.pg_describe_object(s.classid, s.objid, s.objsubid) end as what
     from pg_catalog.pg_shdepend as s
     join pg_catalog.pg_roles as r on r.oid = s.refobjid
     left join pg_catalog.pg_database as d on d.oid = s.dbid
     left join pg_catalog.pg_database as o on s.dbid = 0 and s.classid = 'pg_catalog.pg_database'::regclass and o.oid = s.objid
     where s.deptype = 'o' and s.refclassid = 'pg_catalog.pg_authid'::regclass and r.rolname = any ($1::text[])
     group by 1, 2, 3 order by 1, 2, 3`,
    [names],
  );
  const of = (role: string): readonly Owned[] =>
    owned.rows
      .filter((row) => row.role === role)
      .map(({ database, what }) => ({ database: database ?? undefined, what }));
  return roles.rows.map((role) => ({ ...role, comment: role.comment ?? undefined, owns: of(role.name) }));
}

async function readDatabases(
  session: Session,
  names: readonly string[],
): Promise<readonly Omit<DatabaseFacts, "content">[]> {
  const found = await session.query<Omit<DatabaseFacts, "content">>(
    `select d.datname as name, pg_catalog.pg_get_userbyid(d.datdba) as owner, d.datconnlimit as "connectionLimit",
       d.datallowconn as "allowConnections", d.datistemplate as "isTemplate",
       pg_catalog.pg_encoding_to_char(d.encoding) as encoding, d.datcollate as "lcCollate", d.datctype as "lcCtype",
       t.spcname as "tablespaceName"
     from pg_catalog.pg_database as d join pg_catalog.pg_tablespace as t on t.oid = d.dattablespace
     where d.datname = any ($1::text[]) order by d.datname`,
    [names],
  );
  return found.rows;
}

/**
 * What was made in a database: everything with an oid that initdb did not give out (access/transam.h,
 * FirstNormalObjectId), but for temporary things and what comes with another object.
 */
const MADE_HERE = `
  select 'schema ' || n.nspname as object from pg_catalog.pg_namespace as n
  where n.oid >= 16384 and n.nspname !~ '^pg_(toast_)?temp_'
  union all
  select 'relation ' || c.oid::regclass::text from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where c.oid >= 16384 and c.relkind in ('r', 'v', 'm', 'S', 'f', 'p', 'c') and n.nspname !~ '^pg_(toast|temp_)'
  union all
  select 'routine ' || p.oid::regprocedure::text from pg_catalog.pg_proc as p where p.oid >= 16384
  union all
  select 'type ' || t.oid::regtype::text from pg_catalog.pg_type as t
  where t.oid >= 16384 and t.typtype in ('d', 'e', 'r')
  union all
  select 'extension ' || e.extname from pg_catalog.pg_extension as e where e.oid >= 16384
  union all
  select 'large object ' || l.oid::text from pg_catalog.pg_largeobject_metadata as l
  union all
  select 'publication ' || p.pubname from pg_catalog.pg_publication as p
  union all
  select 'event trigger ' || t.evtname from pg_catalog.pg_event_trigger as t
  union all
  select 'foreign data wrapper ' || w.fdwname from pg_catalog.pg_foreign_data_wrapper as w
  order by 1`;

async function readContent(address: CellAddress, found: Omit<DatabaseFacts, "content">): Promise<DatabaseContent> {
  if (!found.allowConnections) {
    return { kind: "closed", reason: "it allows no connections, as a template or after a drop that was interrupted" };
  }
  try {
    return await withSession(address, found.name, async (session) => {
      const objects = await session.query<{ object: string }>(MADE_HERE);
      const history = await session.query<{ owner: string }>(
        `select pg_catalog.pg_get_userbyid(n.nspowner) as owner from pg_catalog.pg_namespace as n
         where n.nspname = 'merchant_jobs' and pg_catalog.to_regclass('merchant_jobs.applied_files') is not null`,
      );
      return {
        kind: "seen",
        objects: objects.rows.map(({ object }) => object),
        historyOwner: history.rows[0]?.owner,
      };
    });
  } catch (error) {
    return { kind: "closed", reason: messageOf(error) };
  }
}
