import { createHash } from "node:crypto";

import { EngineError } from "../errors.ts";
import type { Props } from "../values.ts";
import type { Server } from "./connection.ts";

interface RoleRow {
  readonly roles: readonly string[];
  readonly rolname: string;
  readonly rolsuper: boolean;
  readonly rolinherit: boolean;
  readonly rolcreaterole: boolean;
  readonly rolcreatedb: boolean;
  readonly rolcanlogin: boolean;
  readonly rolconnlimit: number;
  readonly until: string;
  readonly rolconfig: readonly string[] | null;
  readonly rolreplication: boolean;
  readonly rolbypassrls: boolean;
}

/** The role's outputs as the server has them, or undefined when there is no such role. The password is that of the state. */
export async function readRole(server: Server, id: string, state: Props): Promise<Props | undefined> {
  const [row] = await server.query<RoleRow>(
    "error reading ROLE",
    `SELECT ARRAY(SELECT pg_catalog.pg_get_userbyid(roleid)::text FROM pg_catalog.pg_auth_members WHERE member = r.oid ORDER BY 1) AS roles,
       rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolconnlimit,
       coalesce(rolvaliduntil::text, 'infinity') AS until, rolconfig, rolreplication, rolbypassrls
     FROM pg_catalog.pg_roles AS r WHERE rolname = $1`,
    [id],
  );
  if (!row) return undefined;
  const config = new Map(
    (row.rolconfig ?? []).map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
  );
  const path = config.get("search_path");
  return {
    id: row.rolname,
    name: row.rolname,
    password: await readPassword(server, row, state),
    passwordWo: null,
    passwordWoVersion: state["passwordWoVersion"] ?? null,
    roles: row.roles,
    searchPaths: path === undefined ? [] : path.split(", ").map((part) => part.replaceAll(/^"|"$/g, "")),
    encryptedPassword: true,
    validUntil: row.until,
    connectionLimit: row.rolconnlimit,
    superuser: row.rolsuper,
    createDatabase: row.rolcreatedb,
    createRole: row.rolcreaterole,
    inherit: row.rolinherit,
    login: row.rolcanlogin,
    replication: row.rolreplication,
    bypassRowLevelSecurity: row.rolbypassrls,
    skipDropRole: state["skipDropRole"] ?? false,
    skipReassignOwned: state["skipReassignOwned"] ?? false,
    statementTimeout: milliseconds(config, "statement_timeout"),
    idleInTransactionSessionTimeout: milliseconds(config, "idle_in_transaction_session_timeout"),
    assumeRole: config.get("role") ?? "",
  };
}

/** The real provider cannot read a time with a unit (resource_postgresql_role.go, readStatementTimeout). */
function milliseconds(config: ReadonlyMap<string, string>, setting: string): number {
  const value = config.get(setting);
  if (value === undefined) return 0;
  if (/^[+-]?\d+$/.test(value)) return Number(value);
  throw new EngineError("resource", `error reading ${setting}: strconv.Atoi: parsing "${value}": invalid syntax`);
}

/** Only a superuser can see passwords; of the stored form no more can be told than whether an MD5 one is the same. */
async function readPassword(server: Server, row: RoleRow, state: Props): Promise<string | null> {
  const known = (state["password"] ?? null) as string | null;
  const { superuser, username } = server.settings;
  if (known === null || known === "" || !row.rolcanlogin || !superuser) return known;
  if (!(await server.isSuperuser(username))) {
    throw new EngineError(
      "resource",
      `could not read role password from Postgres as connected user ${username} is not a SUPERUSER. You can set ` +
        "`superuser = false` in the provider configuration so it will not try to read the password from Postgres",
    );
  }
  const [shadow] = await server.query<{ passwd: string }>(
    "error reading role",
    "SELECT coalesce(passwd, '') AS passwd FROM pg_catalog.pg_shadow WHERE usename = $1",
    [row.rolname],
  );
  const stored = shadow?.passwd ?? "";
  if (known.startsWith("md5") || known.startsWith("SCRAM-SHA-256")) return stored;
  const md5 = `md5${createHash("md5")
    .update(known + row.rolname)
    .digest("hex")}`;
  return stored === md5 || stored.startsWith("SCRAM-SHA-256") ? known : stored;
}
