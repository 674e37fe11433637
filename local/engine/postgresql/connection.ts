import { readFileSync } from "node:fs";

import pg from "pg";

import { EngineError, messageOf, refusal } from "../errors.ts";
import type { Props } from "../values.ts";
import { textOf } from "./attributes.ts";

/** The settings of `postgresql.Provider`, read. */
interface ServerSettings {
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly password: string | undefined;
  readonly database: string;
  readonly superuser: boolean;
  readonly sslmode: string;
  readonly rootCertificate: string | undefined;
  readonly connectTimeoutSeconds: number;
}

const KNOWN: readonly string[] = (
  "host port username password database superuser sslmode sslrootcert " +
  "connectTimeout maxConnections expectedVersion version"
).split(" ");
const SSL_MODES: readonly string[] = ["disable", "require", "verify-ca", "verify-full"];

/** Reads the provider's inputs, of which all but texts come as JSON. */
export function parseSettings(inputs: Props): ServerSettings {
  const unknown = Object.keys(inputs).find(
    (key) => !key.startsWith("__") && !KNOWN.includes(key) && inputs[key] !== "" && inputs[key] !== null,
  );
  if (unknown && !(unknown === "scheme" && inputs[unknown] === "postgres"))
    throw refusal(`the setting ${unknown} of postgresql.Provider`);
  const text = (key: string): string | undefined => {
    const value = textOf(inputs[key]);
    return value === "" ? undefined : value;
  };
  // lib/pq takes no mode as `require`: encrypted, and the server's certificate is not looked at.
  const sslmode = text("sslmode") ?? "require";
  if (!SSL_MODES.includes(sslmode)) {
    throw new EngineError("resource", `postgresql.Provider: sslmode is "${sslmode}"; it takes ${SSL_MODES.join(", ")}`);
  }
  return {
    host: text("host") ?? "localhost",
    port: Number(text("port") ?? 5432),
    username: text("username") ?? "postgres",
    password: text("password"),
    database: text("database") ?? "postgres",
    superuser: text("superuser") !== "false",
    sslmode,
    rootCertificate: text("sslrootcert"),
    connectTimeoutSeconds: Number(text("connectTimeout") ?? 180),
  };
}

function sslOf({ sslmode, rootCertificate }: ServerSettings): pg.ClientConfig["ssl"] {
  if (sslmode === "disable") return false;
  const ca = rootCertificate === undefined ? {} : { ca: readFileSync(rootCertificate, "utf8") };
  if (sslmode === "verify-full") return { ...ca, rejectUnauthorized: true };
  // lib/pq verifies the chain for verify-ca, and for require where it is given a root certificate; never the name.
  const verified = sslmode === "verify-ca" || rootCertificate !== undefined;
  return { ...ca, rejectUnauthorized: verified, checkServerIdentity: () => undefined };
}

/**
 * Milliseconds for which a connection waits for the next operation. A CREATE DATABASE from its database waits five seconds for
 * it.
 */
const IDLE = 3_000;

/** Milliseconds after which somebody waited in vain for a server, and for which it is not asked again then. */
const SILENCE = { after: 5_000, for: 30_000 };

/** The connections of one provider: an operation has one for itself, and the next one may get it. */
export class Connections {
  readonly #settings: ServerSettings;
  readonly #pool: pg.Pool;
  /** The server let somebody wait in vain: hundreds of resources need not wait too, one after the other. */
  #silent: { readonly error: EngineError; readonly until: number } | undefined;

  constructor(settings: ServerSettings, database = settings.database) {
    const { host, port, username, password, connectTimeoutSeconds } = settings;
    this.#settings = settings;
    this.#pool = new pg.Pool({
      host,
      port,
      user: username,
      database,
      ssl: sslOf(settings),
      ...(password !== undefined && { password }),
      connectionTimeoutMillis: connectTimeoutSeconds * 1000,
      application_name: "merchant-jobs local engine",
      // As many as there are operations at a time: nobody waits here.
      max: Number.MAX_SAFE_INTEGER,
      idleTimeoutMillis: IDLE,
    });
    // A connection that breaks is the error of the statement in flight; without a listener it would end the process.
    this.#pool.on("error", () => undefined);
  }

  /** Runs the work on a connection; one on which it failed is closed. */
  async use<T>(work: (server: Server) => Promise<T>): Promise<T> {
    let client: pg.PoolClient;
    const began = performance.now();
    if (this.#silent !== undefined && began < this.#silent.until) throw this.#silent.error;
    try {
      client = await this.#pool.connect();
    } catch (cause) {
      const error = new EngineError(
        "resource",
        `error connecting to PostgreSQL server ${this.#settings.host} (scheme: postgres): ${reasonOf(cause)}`,
        { cause },
      );
      if (performance.now() - began >= SILENCE.after && !(cause instanceof pg.DatabaseError))
        this.#silent = { error, until: performance.now() + SILENCE.for };
      throw error;
    }
    const ignore = () => undefined;
    client.on("error", ignore);
    let failed = true;
    try {
      const result = await work(new Server(client, this.#settings));
      failed = false;
      return result;
    } finally {
      client.off("error", ignore);
      client.release(failed);
    }
  }

  async close(): Promise<void> {
    await this.#pool.end();
  }
}

/** One connection; a failing statement is reported as the real provider words it. */
export class Server {
  readonly #client: pg.ClientBase;
  readonly settings: ServerSettings;

  constructor(client: pg.ClientBase, settings: ServerSettings) {
    this.#client = client;
    this.settings = settings;
  }

  /** The rows of a statement; `doing` begins the error's message. */
  async query<Row extends pg.QueryResultRow>(
    doing: string,
    sql: string,
    values: readonly unknown[] = [],
  ): Promise<readonly Row[]> {
    try {
      return (await this.#client.query<Row>(sql, [...values])).rows;
    } catch (cause) {
      throw new EngineError("resource", doing === "" ? reasonOf(cause) : `${doing}: ${reasonOf(cause)}`, { cause });
    }
  }

  async transaction<T>(work: () => Promise<T>): Promise<T> {
    await this.query("could not start transaction", "BEGIN");
    try {
      const result = await work();
      await this.query("could not commit transaction", "COMMIT");
      return result;
    } catch (error) {
      // The connection is closed next, which rolls back too.
      await this.query("", "ROLLBACK").catch(() => undefined);
      throw error;
    }
  }

  /** Whether the role is a member of the other; from PostgreSQL 16 on one that may also SET ROLE. */
  async isMember(role: string, member: string): Promise<boolean> {
    const rows = await this.query(
      "could not read role membership",
      `SELECT 1 FROM pg_catalog.pg_auth_members AS m
       WHERE pg_catalog.pg_get_userbyid(m.roleid) = $1 AND pg_catalog.pg_get_userbyid(m.member) = $2
         AND coalesce((to_jsonb(m) ->> 'set_option')::boolean, true)`,
      [role, member],
    );
    return rows.length > 0;
  }

  /** Makes the member one of the role if it is not; says whether it was not. */
  async grantMembership(role: string, member: string): Promise<boolean> {
    if (role === member || (await this.isMember(role, member))) return false;
    await this.query(`error granting role ${role} to ${member}`, `GRANT ${ident(role)} TO ${ident(member)}`);
    return true;
  }

  async revokeMembership(role: string, member: string): Promise<boolean> {
    if (role === member || !(await this.isMember(role, member))) return false;
    await this.query(`error revoking role ${role} from ${member}`, `REVOKE ${ident(role)} FROM ${ident(member)}`);
    return true;
  }

  /** Runs the work as a member of the role, for the moment if it is none. */
  async asMember<T>(role: string, work: () => Promise<T>): Promise<T> {
    const self = this.settings.username;
    try {
      // Two that grant and take back the same membership at once would take it from each other (helpers.go, pgLockRole). While
      // this one shares the lock nobody does that: a membership that is there stays, and databases are made side by side.
      await this.lockRole(self, "pg_advisory_lock_shared");
      if (await this.isMember(role, self)) return await work();
      await this.#unlock();
      await this.lockRole(self, "pg_advisory_lock");
      const granted = await this.grantMembership(role, self);
      try {
        return await work();
      } finally {
        if (granted) await this.revokeMembership(role, self).catch(() => undefined);
      }
    } finally {
      await this.#unlock().catch(() => undefined);
    }
  }

  async #unlock(): Promise<void> {
    await this.query("could not release advisory locks", "SELECT pg_catalog.pg_advisory_unlock_all()");
  }

  /** Waits until no other operation of a provider holds the role or a member of it. */
  async lockRole(
    role: string,
    lock: "pg_advisory_lock" | "pg_advisory_lock_shared" | "pg_advisory_xact_lock",
  ): Promise<void> {
    await this.query("could not disable statement_timeout", "SET statement_timeout = 0");
    await this.query(
      `could not get advisory lock for role ${role}`,
      `SELECT pg_catalog.${lock}(oid::bigint) FROM pg_catalog.pg_roles WHERE rolname = $1`,
      [role],
    );
    await this.query(
      `could not get advisory lock for members of role ${role}`,
      `SELECT pg_catalog.${lock}(member::bigint) FROM pg_catalog.pg_auth_members JOIN pg_catalog.pg_roles ON roleid = pg_roles.oid WHERE rolname = $1`,
      [role],
    );
  }

  async isSuperuser(role: string): Promise<boolean> {
    const [row] = await this.query<{ rolsuper: boolean }>(
      `could not check if role ${role} is superuser`,
      "SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = $1",
      [role],
    );
    return row?.rolsuper ?? false;
  }
}

/** A server's error as lib/pq words it: the message and the SQLSTATE. */
function reasonOf(error: unknown): string {
  if (error instanceof pg.DatabaseError && error.code !== undefined) return `pq: ${error.message} (${error.code})`;
  if (error instanceof AggregateError) return error.errors.map(messageOf).join("; ");
  return messageOf(error);
}

/** A name as SQL. */
export function ident(name: string): string {
  return pg.escapeIdentifier(name);
}

/** A text as SQL. */
export function literal(text: string): string {
  return pg.escapeLiteral(text);
}
