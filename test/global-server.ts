import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { TestProject } from "vitest/node";
import { removeServer, type RunningServer, startServer } from "../local/postgres.ts";
import { postgres17Root, providePostgres17 } from "./postgres-17.ts";
import { superuserClient } from "./server.ts";

/** One folder per test run, named after the process that runs it: `<pid>-<its start>`. */
const runs = join(dirname(import.meta.dirname), ".local", "test");

interface Run {
  readonly folder: string;
  users: number;
}

/** Every project loads this module for itself, and they share the run's folder: so it hangs on the process. */
const shared = globalThis as Record<symbol, Promise<Run> | undefined>;
const key = Symbol.for("merchant-jobs test run");

/**
 * vitest's globalSetup for projects that need PostgreSQL: each gets a server of its own as `testServer`, since what one
 * damages on purpose the other's programs would report as drift of the cell. All are removed after the last project.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const run = await (shared[key] ??= beginRun());
  run.users += 1;
  // The types say that it is always there.
  const env = project.config.env as Readonly<Record<string, string>> | undefined;
  const root = env?.["MERCHANT_JOBS_POSTGRES_ROOT"];
  if (root === postgres17Root) await providePostgres17(log);
  project.provide("testServer", await startTestServer(join(run.folder, project.name), root));
  return async () => {
    run.users -= 1;
    if (run.users > 0) return;
    shared[key] = undefined;
    await removeRun(run.folder);
  };
}

async function beginRun(): Promise<Run> {
  await mkdir(runs, { recursive: true });
  await removeDeadRuns();
  return { folder: join(runs, `${process.pid}-${String(await processStart(process.pid))}`), users: 0 };
}

function log(line: string): void {
  process.stderr.write(`test server: ${line}\n`);
}

async function startTestServer(folder: string, root: string | undefined): Promise<RunningServer> {
  const server = await startServer({
    folder,
    durable: false,
    log,
    ...(root !== undefined && { searchRoot: root }),
    // Above what a laptop needs: test files run side by side, and each of them has its pools. A test prepares a transaction.
    settings: { max_connections: "200", max_prepared_transactions: "2" },
  });
  // Its view counts what every database of the server was asked, whichever database it is read in.
  const client = await superuserClient("postgres", server);
  try {
    await client.query("create extension if not exists pg_stat_statements");
  } finally {
    await client.end();
  }
  return server;
}

/** A run that was killed left its servers running. One that belongs to another user is that user's to remove. */
async function removeDeadRuns(): Promise<void> {
  for (const name of await readdir(runs)) {
    const [pid, start] = name.split("-");
    if (pid === undefined || (await processStart(Number(pid))) === start) continue;
    try {
      await removeRun(join(runs, name));
    } catch (error) {
      process.stderr.write(`test server: ${join(runs, name)} stays: ${String(error)}\n`);
    }
  }
}

async function removeRun(folder: string): Promise<void> {
  for (const name of await readdir(folder)) await removeServer(join(folder, name));
  await rm(folder, { recursive: true, force: true });
}

/** The 22nd field of /proc/<pid>/stat (proc(5)): with it a pid names one process for good. Undefined: no such process. */
async function processStart(pid: number): Promise<string | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  // The second field, the program's name, may itself hold spaces and brackets.
  return text?.slice(text.lastIndexOf(")") + 2).split(" ")[19];
}
