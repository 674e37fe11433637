import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import { inject } from "vitest";
import { removeServer, type RunningServer, type ServerOptions, startServer } from "../local/postgres.ts";
import { serverAccount } from "../local/postgres/account.ts";
import { findCluster, installationOf } from "../local/postgres/cluster.ts";
import { launchPostmaster, stopPostmaster } from "../local/postgres/postmaster.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Started by test/global-server.ts, for every project that names it as its globalSetup. */
    testServer: RunningServer;
  }
}

/** The throwaway server of this test run, which all test files share: what a test makes there has a `freshName`. */
export function testServer(): RunningServer {
  return inject("testServer");
}

/** Its major version: 15 in most projects, 17 in db-17. */
export function postgresMajor(): number {
  return Number.parseInt(testServer().postgresVersion, 10);
}

/** Takes a membership from the administrator that it gave itself: from PostgreSQL 16 on each grant has its grantor. */
export function revokeOwn(role: string): string {
  return `revoke ${role} from platform_admin${postgresMajor() < 16 ? "" : " granted by platform_admin"}`;
}

/** A connection as the superuser, for what a test prepares, measures or spoils; the caller ends it. */
export async function superuserClient(database: string, server: RunningServer = testServer()): Promise<pg.Client> {
  return await connectAs(server.superuser, database, server);
}

/** A connection as the administrator that the stack uses; the caller ends it. */
export async function adminClient(database: string, server: RunningServer = testServer()): Promise<pg.Client> {
  return await connectAs({ user: server.admin, password: server.password }, database, server);
}

/** A connection as any role, named after the running test file in pg_stat_activity; the caller ends it. */
export async function connectAs(
  login: { readonly user: string; readonly password: string },
  database: string,
  server: Pick<RunningServer, "host" | "port"> = testServer(),
): Promise<pg.Client> {
  const client = new pg.Client({
    host: server.host,
    port: server.port,
    database,
    ...login,
    application_name: "merchant-jobs test",
    ssl: false,
  });
  // A connection that a test cuts must not end the worker: the next query on it fails.
  client.on("error", () => undefined);
  await client.connect();
  return client;
}

/** A name that no other test of this run has: a merchant id, if the prefix is the start of one; at most 22 characters. */
export function freshName(prefix: string): string {
  return `${prefix}_${randomBytes(4).toString("hex")}`;
}

/** Asks until the answer is neither undefined, null nor false, and gives it; fails, saying `what`, after `timeoutMs`. */
export async function waitFor<T>(
  condition: () => Promise<T> | T,
  options: { readonly what: string; readonly timeoutMs?: number },
): Promise<Exclude<T, undefined | null | false>> {
  const timeoutMs = options.timeoutMs ?? 30_000;
  const end = performance.now() + timeoutMs;
  for (;;) {
    const answer = await condition();
    if (answer !== undefined && answer !== null && answer !== false) {
      return answer as Exclude<T, undefined | null | false>;
    }
    if (performance.now() >= end) throw new Error(`waited ${timeoutMs} ms in vain for: ${options.what}`);
    await pause(50);
  }
}

/**
 * Removes every cron job, database, registry row and role whose name starts with the prefix, in the order that keeps
 * pg_cron alive: a role that is dropped while it owns a job stops the jobs of everybody.
 */
export async function dropMerchantLeftovers(prefix: string, server: RunningServer = testServer()): Promise<void> {
  const cron = await superuserClient(server.cronDatabase, server);
  try {
    await cron.query(
      `select cron.unschedule(jobid) from cron.job
       where starts_with(database, $1) or starts_with(username, $1) or starts_with(jobname::text, $1)`,
      [prefix],
    );
    await cron.query("delete from cron.job_run_details where starts_with(database, $1) or starts_with(username, $1)", [
      prefix,
    ]);
    await forgetInRegistry(cron, prefix);
    for (const name of await names(cron, "pg_database", "datname", prefix)) {
      await cron.query(`drop database if exists ${name} with (force)`);
    }
    for (const name of await names(cron, "pg_roles", "rolname", prefix)) {
      // What it may do in the cron database would hold the role.
      await cron.query(`drop owned by ${name}`);
      await cron.query(`drop role ${name}`);
    }
  } finally {
    await cron.end();
  }
}

async function names(
  client: pg.Client,
  catalog: "pg_database" | "pg_roles",
  column: "datname" | "rolname",
  prefix: string,
): Promise<readonly string[]> {
  const { rows } = await client.query<{ name: string }>(
    `select ${column}::text as name from pg_catalog.${catalog} where starts_with(${column}::text, $1)`,
    [prefix],
  );
  return rows.map(({ name }) => client.escapeIdentifier(name));
}

/** The registry is there once a first merchant was onboarded. */
async function forgetInRegistry(client: pg.Client, prefix: string): Promise<void> {
  const { rows } = await client.query<{ there: boolean }>(
    "select to_regclass('merchant_jobs.merchants') is not null as there",
  );
  if (rows[0]?.there !== true) return;
  await client.query(
    "delete from merchant_jobs.merchants where starts_with(merchant, $1) or starts_with(database_name, $1)",
    [prefix],
  );
}

/** As ServerOptions; the folder is a new one below the run's own, in which the name can be chosen. */
export type OwnServerOptions = Omit<ServerOptions, "folder"> & { readonly folderName?: string };

/** A server that a test, or a file of tests, has for itself. */
export interface OwnServer {
  readonly server: RunningServer;
  readonly folder: string;
  readonly remove: () => Promise<void>;
}

/** Starts a server for a file whose tests would disturb others on the shared one. Not durable unless asked for. */
export async function startOwnServer(options: OwnServerOptions): Promise<OwnServer> {
  const { folderName, ...rest } = options;
  const folder = ownFolder(folderName);
  const server = await startServer({ durable: false, ...rest, folder });
  return {
    server,
    folder,
    remove: async () => {
      await removeOwn(folder);
    },
  };
}

/** As startOwnServer for one test, which may stop, kill or break it; it is removed whatever state it is in. */
export async function withOwnServer<T>(
  options: OwnServerOptions,
  fn: (server: RunningServer, folder: string) => Promise<T>,
): Promise<T> {
  const { folderName, ...rest } = options;
  return await withOwnFolder(folderName, async (folder) => {
    return await fn(await startServer({ durable: false, ...rest, folder }), folder);
  });
}

/** A folder for a server that the test starts itself; what was started in it is removed at the end. */
export async function withOwnFolder<T>(name: string | undefined, fn: (folder: string) => Promise<T>): Promise<T> {
  const folder = ownFolder(name);
  try {
    return await fn(folder);
  } finally {
    await removeOwn(folder);
  }
}

function ownFolder(name = "own"): string {
  return join(dirname(dirname(testServer().serverFile)), freshName(name));
}

async function removeOwn(folder: string): Promise<void> {
  await removeServer(folder);
  await rm(folder, { recursive: true, force: true });
}

/** Restarts a server as it is set now, and does not wait for pg_cron, which may be what was set wrong. */
export async function restartPostmaster({ folder }: OwnServer): Promise<void> {
  const cluster = await findCluster(folder);
  if (cluster === undefined) throw new Error(`${folder} has no server`);
  const { binFolder } = await installationOf(cluster, undefined);
  await stopPostmaster(cluster, "fast");
  const as = await serverAccount(cluster.dataFolder);
  await launchPostmaster(join(binFolder, "postgres"), cluster, { as, logFile: cluster.logFile });
}
