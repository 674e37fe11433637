import pg from "pg";
import type { RunningServer } from "../../local/postgres.ts";
import { merchantSpecs } from "../engine/merchants.ts";
import { makeStack } from "../engine/stack.ts";

/** Onboards one merchant with the real program, and gives its database. */
export async function makeMerchant(server: RunningServer): Promise<string> {
  const stack = await makeStack(server, "jobs", 1);
  try {
    await stack.run("up", "--yes", "--skip-preview");
  } finally {
    stack.project.remove();
  }
  const [merchant] = merchantSpecs("jobs", 1);
  if (merchant === undefined) throw new Error("there is no merchant");
  return merchant.database;
}

/** Opens a session as the superuser for the time of the work. */
export async function withClient<T>(
  server: RunningServer,
  database: string,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const { host, port, superuser } = server;
  const client = new pg.Client({ host, port, ...superuser, database, ssl: false });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/**
 * Works on a copy of a database, so that every measurement begins with the same pages. Nobody may be connected to the
 * original.
 */
export async function withCopy<T>(
  server: RunningServer,
  original: string,
  work: (database: string) => Promise<T>,
): Promise<T> {
  const [from, copy] = [original, `${original}_copy`].map((name) => pg.escapeIdentifier(name));
  return withClient(server, server.cronDatabase, async (client) => {
    await client.query(`create database ${copy} template ${from} strategy file_copy`);
    try {
      // What making the copy left to be written is written now, not in the measurement.
      await client.query("checkpoint");
      return await work(`${original}_copy`);
    } finally {
      await client.query(`drop database ${copy} with (force)`);
    }
  });
}
