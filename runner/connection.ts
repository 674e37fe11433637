import { readFileSync } from "node:fs";
import path from "node:path";
import pg from "pg";
import { RDS_AUTHORITIES, type ServerAddress } from "../converge/address.ts";
import { iamPassword } from "../converge/aws/passwords.ts";
import { ConvergeError, codeOf, messageOf } from "../converge/errors.ts";
import { notConnected } from "../converge/refusals.ts";
import { clientSettings, CRON_DATABASE } from "../converge/session.ts";
import type { RunnerCell } from "./config.ts";

/** Told apart from converge and from people by `app.scheduler_of_session()`. */
const APPLICATION = "merchant-jobs runner";
/** Milliseconds for a question about health; a run has the limits of its job. */
export const LOOK_TIMEOUT = 20_000;

/** Finds a cell's password; undefined when it is not there. */
export type ReadEnvironment = (name: string) => string | undefined;

/** How to reach a cell's server: everything but the database. The password is found anew for each connection. */
export interface Server {
  readonly cell: string;
  address(): ServerAddress;
}

/** A cell's server. */
export function serverOf(name: string, cell: RunnerCell, environment: ReadEnvironment): Server {
  return {
    cell: name,
    address: () => ({
      cell: name,
      host: cell.host,
      port: cell.port,
      user: cell.user,
      tls: cell.tls,
      password: passwordOf(name, cell, environment),
      ...authoritiesOf(name, cell),
    }),
  };
}

function authoritiesOf(name: string, { caFile, credential }: RunnerCell): { readonly ca?: string } {
  if (caFile !== undefined) return { ca: readText(name, "caFile", caFile) };
  return "iam" in credential ? { ca: readFileSync(path.join(import.meta.dirname, "..", RDS_AUTHORITIES), "utf8") } : {};
}

function passwordOf(name: string, cell: RunnerCell, environment: ReadEnvironment): ServerAddress["password"] {
  const { credential, host, port, user } = cell;
  if ("iam" in credential) return iamPassword({ cell: name, region: credential.iam, host, port, user });
  if ("env" in credential) {
    const found = environment(credential.env);
    if (found !== undefined && found !== "") return found;
    throw new ConvergeError(
      "no_credential",
      `cell ${name}: there is no password for ${user}; set the environment variable ${credential.env} of the runner`,
    );
  }
  return readText(name, "credential", credential.file).trimEnd();
}

/** Read again for each connection: it may have been changed. Throws `no_credential`. */
function readText(cell: string, key: "caFile" | "credential", file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const what = codeOf(error) === "ENOENT" ? "is not there" : `cannot be read: ${messageOf(error)}`;
    throw new ConvergeError(
      "no_credential",
      `cell ${cell}: the file ${file} ${what}; put it there, or name another one in cells.${cell}.${key} of the runner's configuration`,
      { cause: error },
    );
  }
}

/** A connection for one purpose, which `close` ends, also in the middle of a statement. */
export interface Connection {
  readonly client: pg.Client;
  close(): Promise<void>;
  /** Ends it on this side alone: what waits for an answer fails. */
  readonly cut: () => void;
}

/**
 * Opens a connection. Statements have `statementTimeout` on the server, and a little more here, for a server that does
 * not answer. Throws `not_connected`, `no_credential`.
 */
export async function connect(server: Server, database: string, statementTimeout: number): Promise<Connection> {
  const address = server.address();
  const client = new pg.Client({
    ...clientSettings(address, database),
    application_name: APPLICATION,
    statement_timeout: statementTimeout,
    query_timeout: statementTimeout + 5_000,
    lock_timeout: 30_000,
    keepAliveInitialDelayMillis: 30_000,
  });
  // An idle connection that breaks emits an error besides failing the next query; unheard it would end the process.
  client.on("error", () => undefined);
  try {
    await client.connect();
  } catch (error) {
    void client.end().catch(() => undefined);
    // No token could be made.
    if (error instanceof ConvergeError) throw error;
    // PostgreSQL knows every parameter that is sent at the start; PgBouncer refuses those that it does not
    // (https://github.com/pgbouncer/pgbouncer/issues/1074).
    if (codeOf(error) === PROTOCOL_VIOLATION) throw pooled(server, error);
    throw notConnected(address, database, error);
  }
  return { client, close: () => closeClient(client), cut: () => streamOf(client)?.destroy() };
}

/** A server that hangs does not say goodbye: then the socket is cut. */
async function closeClient(client: pg.Client): Promise<void> {
  const cut = setTimeout(() => {
    streamOf(client)?.destroy();
  }, 2_000);
  await client.end().catch(() => undefined);
  clearTimeout(cut);
}

function streamOf(client: pg.Client): { destroy(): void } | undefined {
  return (client as unknown as { connection?: { stream?: { destroy(): void } } }).connection?.stream;
}

/**
 * Throws `unsupported` when a pooler stands between us and the server: it gives its own number for the process. Behind
 * one in transaction mode a run would go on in another process after its first COMMIT, and its claim would look dead.
 */
export async function assertDirect(connection: Connection, server: Server): Promise<void> {
  const { rows } = await connection.client.query<{ pid: number }>("select pg_catalog.pg_backend_pid() as pid");
  const told = (connection.client as unknown as { processID: number | null }).processID;
  if (rows[0]?.pid !== told) throw pooled(server);
}

const PROTOCOL_VIOLATION = "08P01";

function pooled(server: Server, cause?: unknown): ConvergeError {
  return new ConvergeError(
    "unsupported",
    `cell ${server.cell}: a connection pooler answers at its address; a run commits between its batches and must stay on ` +
      "one connection, which a pooler in transaction mode does not give: write the address of the PostgreSQL server itself",
    { cause },
  );
}

/** Ends a statement of our own role's. */
export async function cancel(server: Server, pid: number): Promise<void> {
  const connection = await connect(server, CRON_DATABASE, LOOK_TIMEOUT);
  try {
    await connection.client.query("select pg_catalog.pg_cancel_backend($1::integer)", [pid]);
  } finally {
    await connection.close();
  }
}
