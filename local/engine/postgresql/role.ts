import { EngineError } from "../errors.ts";
import type { Json, Props } from "../values.ts";
import { absent, isChanged, textOf } from "./attributes.ts";
import type { Attributes } from "./attributes.ts";
import { ident, literal } from "./connection.ts";
import type { Server } from "./connection.ts";

/** `postgresql.Role` (resource_postgresql_role.go). */
export const ROLE_ATTRIBUTES = {
  name: { kind: "string" },
  password: { kind: "string" },
  passwordWo: { kind: "string", writeOnly: true },
  passwordWoVersion: { kind: "string" },
  encrypted: { kind: "string" },
  roles: { kind: "set" },
  searchPaths: { kind: "list" },
  encryptedPassword: { kind: "boolean", fallback: true },
  validUntil: { kind: "string", fallback: "infinity" },
  connectionLimit: { kind: "number", fallback: -1, least: -1 },
  superuser: { kind: "boolean" },
  createDatabase: { kind: "boolean" },
  createRole: { kind: "boolean" },
  inherit: { kind: "boolean", fallback: true },
  login: { kind: "boolean" },
  replication: { kind: "boolean" },
  bypassRowLevelSecurity: { kind: "boolean" },
  skipDropRole: { kind: "boolean" },
  skipReassignOwned: { kind: "boolean" },
  statementTimeout: { kind: "number", least: 0 },
  idleInTransactionSessionTimeout: { kind: "number", least: 0 },
  assumeRole: { kind: "string" },
} as const satisfies Attributes;

type Key = keyof typeof ROLE_ATTRIBUTES;

const get = (props: Props, key: Key): Json => props[key] ?? absent(ROLE_ATTRIBUTES[key]);
const text = (props: Props, key: Key): string => textOf(get(props, key));
const list = (props: Props, key: Key): readonly string[] => get(props, key) as readonly string[];

/** The attributes that are one word of ALTER ROLE, or that word with NO before it; the order is that of CREATE ROLE. */
const WORDS: readonly (readonly [Key, string])[] = [
  ["superuser", "SUPERUSER"],
  ["createDatabase", "CREATEDB"],
  ["createRole", "CREATEROLE"],
  ["inherit", "INHERIT"],
  ["login", "LOGIN"],
  ["bypassRowLevelSecurity", "BYPASSRLS"],
  ["replication", "REPLICATION"],
];
const SETTINGS: readonly (readonly [Key, string])[] = [
  ["statementTimeout", "statement_timeout"],
  ["idleInTransactionSessionTimeout", "idle_in_transaction_session_timeout"],
  ["assumeRole", "role"],
];

const validUntil = (inputs: Props): string => {
  const until = text(inputs, "validUntil");
  return `VALID UNTIL ${literal(until === "" || until.toLowerCase() === "infinity" ? "infinity" : until)}`;
};
const word = (inputs: Props, key: Key, name: string) => (get(inputs, key) === true ? name : `NO${name}`);

function passwordClause(inputs: Props): readonly string[] {
  const password = text(inputs, "password") || text(inputs, "passwordWo");
  if (password === "") return [];
  if (password.toUpperCase() === "NULL") return ["PASSWORD NULL"];
  return [get(inputs, "encryptedPassword") === true ? "ENCRYPTED" : "UNENCRYPTED", `PASSWORD ${literal(password)}`];
}

/** Makes the role with all that belongs to it, or nothing. */
export async function createRole(server: Server, inputs: Props): Promise<string> {
  const name = text(inputs, "name");
  const options = [
    ...passwordClause(inputs),
    validUntil(inputs),
    `CONNECTION LIMIT ${Number(get(inputs, "connectionLimit"))}`,
    ...WORDS.map(([key, sql]) => word(inputs, key, sql)),
  ];
  await server.transaction(async () => {
    await server.query(`error creating role ${name}`, `CREATE ROLE ${ident(name)} WITH ${options.join(" ")}`);
    await grantRoles(server, name, inputs);
    await alterSearchPath(server, name, inputs);
    await alterSettings(server, name, {}, inputs);
  });
  return name;
}

async function grantRoles(server: Server, name: string, inputs: Props): Promise<void> {
  for (const role of list(inputs, "roles")) {
    await server.query(`could not grant role ${role} to ${name}`, `GRANT ${ident(role)} TO ${ident(name)}`);
  }
}

async function alterSearchPath(server: Server, name: string, inputs: Props): Promise<void> {
  const paths = list(inputs, "searchPaths");
  const wrong = paths.find((path) => path.includes(", "));
  if (wrong !== undefined) throw new EngineError("resource", `search_path cannot contain \`, \`: ${wrong}`);
  const path = paths.length > 0 ? paths.map(ident).join(", ") : "DEFAULT";
  await server.query(
    `could not set search_path ${path} for ${name}`,
    `ALTER ROLE ${ident(name)} SET search_path TO ${path}`,
  );
}

async function alterSettings(server: Server, name: string, olds: Props, inputs: Props): Promise<void> {
  for (const [key, setting] of SETTINGS) {
    if (!isChanged(ROLE_ATTRIBUTES[key], olds[key], inputs[key])) continue;
    const value = get(inputs, key);
    const reset = value === 0 || value === "";
    const to = typeof value === "number" ? String(value) : ident(text(inputs, key));
    await server.query(
      reset ? `could not reset ${setting} for ${name}` : `could not set ${setting} ${textOf(value)} for ${name}`,
      `ALTER ROLE ${ident(name)} ${reset ? `RESET ${setting}` : `SET ${setting} TO ${to}`}`,
    );
  }
}

/** Changes what differs from the outputs, all of it or nothing. */
export async function updateRole(server: Server, id: string, outputs: Props, inputs: Props): Promise<string> {
  const name = text(inputs, "name");
  const changed = (key: Key) => isChanged(ROLE_ATTRIBUTES[key], outputs[key], inputs[key]);
  const alter = (what: string, clause: string) =>
    server.query(`error updating role ${what}`, `ALTER ROLE ${ident(name)} ${clause}`);
  await server.transaction(async () => {
    await server.lockRole(id, "pg_advisory_xact_lock");
    if (name !== id) await server.query("error updating role NAME", `ALTER ROLE ${ident(id)} RENAME TO ${ident(name)}`);
    const rewritten = text(inputs, "passwordWo") !== "" && changed("passwordWoVersion");
    const password = rewritten ? text(inputs, "passwordWo") : text(inputs, "password");
    // A renamed role loses an MD5 password, whose salt is the name.
    if (password !== "" && (rewritten || changed("password") || name !== id))
      await alter("password", `PASSWORD ${literal(password)}`);
    if (changed("connectionLimit"))
      await alter("CONNECTION LIMIT", `CONNECTION LIMIT ${Number(get(inputs, "connectionLimit"))}`);
    for (const [key, sql] of WORDS) if (changed(key)) await alter(sql, `WITH ${word(inputs, key, sql)}`);
    if (changed("validUntil") && text(inputs, "validUntil") !== "") await alter("VALID UNTIL", validUntil(inputs));
    const rows = await server.query<{ role: string }>(
      `could not get roles list for role ${name}`,
      "SELECT pg_catalog.pg_get_userbyid(roleid) AS role FROM pg_catalog.pg_auth_members JOIN pg_catalog.pg_roles ON member = pg_roles.oid WHERE rolname = $1",
      [name],
    );
    for (const { role } of rows) {
      await server.query(`could not revoke role ${role} from ${name}`, `REVOKE ${ident(role)} FROM ${ident(name)}`);
    }
    await grantRoles(server, name, inputs);
    await alterSearchPath(server, name, inputs);
    await alterSettings(server, name, outputs, inputs);
  });
  return name;
}

/** Gives what the role owns to the connected user, takes its rights away, and drops it. */
export async function deleteRole(server: Server, outputs: Props): Promise<void> {
  const name = text(outputs, "name");
  const self = server.settings.username;
  await server.transaction(async () => {
    await server.lockRole(name, "pg_advisory_xact_lock");
    if (get(outputs, "skipReassignOwned") !== true) {
      // A superuser needs no membership, and nobody else may have one in a superuser.
      const plain = (await server.isSuperuser(self)) || (await server.isSuperuser(name));
      const reversed = !plain && (await server.revokeMembership(self, name));
      const granted = !plain && (await server.grantMembership(name, self));
      await server.query(
        `could not reassign owned by role ${name} to ${self}`,
        `REASSIGN OWNED BY ${ident(name)} TO ${ident(self)}`,
      );
      await server.query(`could not drop owned by role ${name}`, `DROP OWNED BY ${ident(name)}`);
      if (granted) await server.revokeMembership(name, self);
      if (reversed) await server.grantMembership(self, name);
    }
    if (get(outputs, "skipDropRole") !== true)
      await server.query(`could not delete role ${name}`, `DROP ROLE ${ident(name)}`);
  });
}
