import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { removeServer, startServer } from "../../local/postgres.ts";
import { schedules } from "../schedules.ts";

let folder: string;
let client: pg.Client;
let version = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "merchant-jobs-schedules-"));
  const { host, port, superuser, cronDatabase } = await startServer({ folder, durable: false });
  client = new pg.Client({ host, port, ...superuser, database: cronDatabase });
  await client.connect();
  const found = await client.query<{ extversion: string }>(
    "select extversion from pg_catalog.pg_extension where extname = 'pg_cron'",
  );
  version = found.rows[0]?.extversion ?? "";
});

afterAll(async () => {
  await client.end();
  await removeServer(folder);
  await rm(folder, { recursive: true });
});

/** Puts a schedule to pg_cron and takes it back. The only refusal that counts is "invalid schedule" (22023). */
async function isAccepted(text: string): Promise<boolean> {
  await client.query("begin");
  try {
    await client.query("select cron.schedule($1::text, 'select 1')", [text]);
    return true;
  } catch (error) {
    if (error instanceof pg.DatabaseError && error.code === "22023") return false;
    throw error;
  } finally {
    await client.query("rollback");
  }
}

/** Minor versions of pg_cron 1; a development build calls itself `1.4-1`. */
function minor(text: string): number {
  return Number(/^1\.(\d+)/.exec(text)?.[1]);
}

test.for(schedules)("pg_cron's answer to $text is ours", async ({ text, accepted, requires = "1.4", oursAlone }) => {
  expect(await isAccepted(text)).toBe(oursAlone !== undefined || (accepted && minor(version) >= minor(requires)));
});

test("nothing of it is left in the crontab", async () => {
  const left = await client.query("select jobid from cron.job where database <> 'cron'");
  expect(left.rows).toEqual([]);
});
