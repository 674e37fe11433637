import type { Json, Props } from "../values.ts";
import { absent, isChanged, textOf } from "./attributes.ts";
import type { Attributes } from "./attributes.ts";
import { Connections, ident, literal } from "./connection.ts";
import type { Server } from "./connection.ts";

/** `postgresql.Database` (resource_postgresql_database.go). */
export const DATABASE_ATTRIBUTES = {
  name: { kind: "string" },
  owner: { kind: "string", computed: true },
  template: { kind: "string", computed: true, replaces: true },
  encoding: { kind: "string", computed: true, replaces: true },
  lcCollate: { kind: "string", computed: true, replaces: true },
  lcCtype: { kind: "string", computed: true, replaces: true },
  tablespaceName: { kind: "string", computed: true },
  connectionLimit: { kind: "number", fallback: -1, least: -1 },
  allowConnections: { kind: "boolean", fallback: true },
  isTemplate: { kind: "boolean", computed: true },
  alterObjectOwnership: { kind: "boolean" },
} as const satisfies Attributes;

type Key = keyof typeof DATABASE_ATTRIBUTES;

const get = (props: Props, key: Key): Json => props[key] ?? absent(DATABASE_ATTRIBUTES[key]);
const text = (props: Props, key: Key): string => textOf(get(props, key));

/** A clause of CREATE DATABASE: nothing where the program says nothing, DEFAULT where it says so. */
function clause(word: string, value: string, quote: (text: string) => string): string {
  if (value === "") return "";
  return ` ${word} ${value.toUpperCase() === "DEFAULT" ? "DEFAULT" : quote(value)}`;
}

/**
 * Runs the work with the rights of the owner, where there is one: an administrator that is no superuser becomes a member for
 * the moment.
 */
function asOwner<T>(server: Server, owner: string, work: () => Promise<T>): Promise<T> {
  return owner === "" ? work() : server.asMember(owner, work);
}

export async function createDatabase(server: Server, inputs: Props): Promise<string> {
  const name = text(inputs, "name");
  const owner = text(inputs, "owner");
  await asOwner(server, owner, () =>
    server.query(
      `error creating database "${name}"`,
      `CREATE DATABASE ${ident(name)} OWNER ${ident(owner || server.settings.username)}` +
        clause("TEMPLATE", text(inputs, "template") || "template0", ident) +
        clause("ENCODING", text(inputs, "encoding") || "UTF8", literal) +
        clause("LC_COLLATE", text(inputs, "lcCollate"), literal) +
        clause("LC_CTYPE", text(inputs, "lcCtype"), literal) +
        clause("TABLESPACE", text(inputs, "tablespaceName"), ident) +
        ` ALLOW_CONNECTIONS ${textOf(get(inputs, "allowConnections"))}` +
        ` CONNECTION LIMIT ${Number(get(inputs, "connectionLimit"))}` +
        ` IS_TEMPLATE ${textOf(get(inputs, "isTemplate"))}`,
    ),
  );
  return name;
}

interface DatabaseRow {
  readonly datname: string;
  readonly owner: string;
  readonly encoding: string;
  readonly datcollate: string;
  readonly datctype: string;
  readonly spcname: string;
  readonly datconnlimit: number;
  readonly datallowconn: boolean;
  readonly datistemplate: boolean;
}

/**
 * The database's outputs as the server has them, or undefined when there is none. Nobody can see from which template it came.
 */
export async function readDatabase(server: Server, id: string, state: Props): Promise<Props | undefined> {
  const [row] = await server.query<DatabaseRow>(
    "error reading database",
    `SELECT d.datname, pg_catalog.pg_get_userbyid(d.datdba) AS owner, pg_catalog.pg_encoding_to_char(d.encoding) AS encoding,
       d.datcollate, d.datctype, ts.spcname, d.datconnlimit, d.datallowconn, d.datistemplate
     FROM pg_catalog.pg_database AS d JOIN pg_catalog.pg_tablespace AS ts ON d.dattablespace = ts.oid
     WHERE d.datname = $1`,
    [id],
  );
  if (!row) return undefined;
  return {
    id: row.datname,
    name: row.datname,
    owner: row.owner,
    template: text(state, "template") || "template0",
    encoding: row.encoding,
    lcCollate: row.datcollate,
    lcCtype: row.datctype,
    tablespaceName: row.spcname,
    connectionLimit: row.datconnlimit,
    allowConnections: row.datallowconn,
    isTemplate: row.datistemplate,
    alterObjectOwnership: state["alterObjectOwnership"] ?? null,
  };
}

/** Changes what differs from the outputs, one statement after the other: what was done before an error stays. */
export async function updateDatabase(server: Server, id: string, outputs: Props, inputs: Props): Promise<string> {
  const name = text(inputs, "name");
  const owner = text(inputs, "owner");
  const changed = (key: Key) => isChanged(DATABASE_ATTRIBUTES[key], outputs[key], inputs[key]);
  const alter = (what: string, sql: string) =>
    server.query(`error updating database ${what}`, `ALTER DATABASE ${ident(name)} ${sql}`);
  if (name !== id)
    await server.query("error updating database name", `ALTER DATABASE ${ident(id)} RENAME TO ${ident(name)}`);
  if (
    owner !== "" &&
    get(inputs, "alterObjectOwnership") === true &&
    (changed("owner") || changed("alterObjectOwnership"))
  ) {
    await reassignObjects(server, name, owner);
  }
  if (owner !== "" && changed("owner")) await server.asMember(owner, () => alter("OWNER", `OWNER TO ${ident(owner)}`));
  if (changed("tablespaceName")) {
    const tablespace = text(inputs, "tablespaceName");
    await alter(
      "TABLESPACE",
      tablespace.toUpperCase() === "DEFAULT" ? "RESET TABLESPACE" : `SET TABLESPACE ${ident(tablespace)}`,
    );
  }
  if (changed("connectionLimit"))
    await alter("CONNECTION LIMIT", `CONNECTION LIMIT = ${Number(get(inputs, "connectionLimit"))}`);
  if (changed("allowConnections"))
    await alter("ALLOW_CONNECTIONS", `ALLOW_CONNECTIONS ${textOf(get(inputs, "allowConnections"))}`);
  if (changed("isTemplate")) await alter("IS_TEMPLATE", `IS_TEMPLATE ${textOf(get(inputs, "isTemplate"))}`);
  return name;
}

/** Gives the objects inside to the new owner, from inside the database. */
async function reassignObjects(server: Server, name: string, owner: string): Promise<void> {
  const [row] = await server.query<{ owner: string }>(
    "error getting current database OWNER",
    "SELECT pg_catalog.pg_get_userbyid(datdba) AS owner FROM pg_catalog.pg_database WHERE datname = $1",
    [name],
  );
  const before = row?.owner ?? owner;
  if (before === owner) return;
  const inside = new Connections(server.settings, name);
  const doing = `error reassigning objects owned by '${before}'`;
  try {
    await server.asMember(before, () =>
      inside.use((there) => there.query(doing, `REASSIGN OWNED BY ${ident(before)} TO ${ident(owner)}`)),
    );
  } finally {
    await inside.close();
  }
}

/** Ends the database's sessions and drops it. */
export async function deleteDatabase(server: Server, outputs: Props): Promise<void> {
  const name = text(outputs, "name");
  await asOwner(server, text(outputs, "owner"), async () => {
    if (get(outputs, "isTemplate") === true) {
      await server.query(
        "error updating database IS_TEMPLATE during DROP DATABASE",
        `ALTER DATABASE ${ident(name)} IS_TEMPLATE false`,
      );
    }
    await server.query(
      "error blocking connections to database",
      `ALTER DATABASE ${ident(name)} ALLOW_CONNECTIONS false`,
    );
    await server.query(
      "error terminating database connections",
      "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE datname = $1 AND pid <> pg_catalog.pg_backend_pid()",
      [name],
    );
    await server.query("error dropping database", `DROP DATABASE ${ident(name)} WITH ( FORCE )`);
  });
}
