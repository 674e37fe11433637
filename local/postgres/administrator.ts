import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import pg from "pg";
import { scramVerifier } from "../../converge/scram.ts";
import { LocalServerError } from "./errors.ts";
import type { ServerFile, SuperuserFile } from "./stored-files.ts";
import { poll } from "./waiting.ts";

/** The names that the local server has and that a stack file need not give. */
export const adminName = "platform_admin";
export const cronDatabase = "cron";

const cronTimeoutMs = 60_000;

/** The text that makes the administrator, the same that a user runs on a server of their own, and its sha256. */
export async function readAdministratorSql(): Promise<{ readonly text: string; readonly sha256: string }> {
  const text = await readFile(new URL("../../sql/server/administrator.sql", import.meta.url), "utf8");
  return { text, sha256: createHash("sha256").update(text).digest("hex") };
}

/** Makes the cron database, pg_cron in it, and the administrator with this password; can be run again at any time. */
export async function setUpAdministrator(
  port: number,
  superuser: SuperuserFile,
  wanted: { readonly password: string; readonly sql: string; readonly pgCron: boolean },
): Promise<void> {
  await withSuperuser(port, superuser, "postgres", async (client) => {
    const found = await client.query("select from pg_catalog.pg_database where datname = $1", [cronDatabase]);
    if (found.rowCount === 0) await client.query(`create database ${client.escapeIdentifier(cronDatabase)}`);
  });
  await withSuperuser(port, superuser, cronDatabase, async (client) => {
    if (wanted.pgCron) {
      await client.query("create extension if not exists pg_cron");
      // Does nothing unless a newer package was installed over an old one.
      await client.query("alter extension pg_cron update");
    } else {
      await client.query("select pg_catalog.set_config('merchant_jobs.scheduler', 'runner', false)");
    }
    await client.query("select pg_catalog.set_config('merchant_jobs.admin', $1, false)", [adminName]);
    await client.query(wanted.sql);
  });
  await setPassword(port, superuser, { role: adminName, password: wanted.password });
}

/** Gives a role its password, which the server gets to see as a verifier only. */
export async function setPassword(
  port: number,
  superuser: SuperuserFile,
  { role, password }: { readonly role: string; readonly password: string },
): Promise<void> {
  await withSuperuser(port, superuser, "postgres", async (client) => {
    const verifier = client.escapeLiteral(scramVerifier(password));
    await client.query(`alter role ${client.escapeIdentifier(role)} password ${verifier}`);
  });
}

/**
 * Waits until pg_cron's scheduler runs, if the server shall have it, and reads what `server.json` says about the server. Throws
 * `start_failed` when the scheduler does not come: PostgreSQL can be up without it, and then no job ever runs.
 */
export async function readServer(
  port: number,
  superuser: SuperuserFile,
  pgCron: boolean,
): Promise<Pick<ServerFile, "postgresVersion" | "pgCronVersion" | "maxConnections">> {
  return await withSuperuser(port, superuser, cronDatabase, async (client) => {
    if (pgCron) await awaitScheduler(client, port);
    const { rows } = await client.query<{ postgres: string; cron: string | null; connections: number }>(
      `select
         current_setting('server_version') as postgres,
         current_setting('max_connections')::integer as connections,
         (select extversion from pg_catalog.pg_extension where extname = 'pg_cron') as cron`,
    );
    const [row] = rows;
    if (row === undefined) throw new LocalServerError("start_failed", `The server on port ${port} gave no version.`);
    return {
      // "15.18 (Debian 15.18-0+deb12u1)", and "1.4-1" for the extension.
      postgresVersion: majorMinor(row.postgres),
      ...(pgCron && row.cron !== null && { pgCronVersion: majorMinor(row.cron) }),
      maxConnections: row.connections,
    };
  });
}

async function awaitScheduler(client: pg.Client, port: number): Promise<void> {
  const scheduler = await poll(
    async () => {
      const { rowCount } = await client.query(
        "select from pg_catalog.pg_stat_activity where application_name = 'pg_cron scheduler'",
      );
      return rowCount === 0 ? undefined : true;
    },
    { timeoutMs: cronTimeoutMs },
  );
  if (scheduler !== undefined) return;
  throw new LocalServerError(
    "start_failed",
    `PostgreSQL runs on port ${port}, but pg_cron's scheduler did not start within ${cronTimeoutMs / 1000} s: ` +
      "its reason is in .local/postgres/server.log.",
  );
}

function majorMinor(version: string): string {
  return /^\d+\.\d+/.exec(version)?.[0] ?? version;
}

async function withSuperuser<T>(
  port: number,
  superuser: SuperuserFile,
  database: string,
  fn: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({
    host: "127.0.0.1",
    port,
    database,
    ...superuser,
    application_name: "merchant-jobs local server",
    ssl: false,
  });
  // An error between two queries would otherwise end the process; the next query reports it.
  client.on("error", () => undefined);
  await client.connect();
  try {
    return await fn(client);
  } finally {
    await client.end();
  }
}
