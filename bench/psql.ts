import { spawn } from "node:child_process";
import path from "node:path";
import type { RunningServer } from "../local/postgres.ts";
import { findInstallations } from "../local/postgres/installation.ts";

/** How many psql processes run at a time. */
const AT_ONCE = 8;

/** One psql process: what it sends to which database. */
export interface PsqlCall {
  readonly database: string;
  readonly sql: string;
}

/**
 * What a careful person would do with a shell and psql: takes a list of tasks, 8 at a time, each a few calls in order, a
 * process and a connection for every call. Throws what psql says of the first call that fails.
 */
export async function runPsql(server: RunningServer, tasks: readonly (readonly PsqlCall[])[]): Promise<void> {
  const program = await findPsql();
  const waiting = [...tasks];
  const worker = async () => {
    for (let task = waiting.shift(); task !== undefined; task = waiting.shift())
      for (const call of task) await runCall(program, server, call);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

/** The program itself: what Debian has on PATH is a Perl script before it (pg_wrapper(1)), which takes longer than psql. */
async function findPsql(): Promise<string> {
  const [newest] = (await findInstallations()).withCron;
  if (newest === undefined) throw new Error("there is no PostgreSQL with pg_cron, though a server of it runs");
  return path.join(newest.binFolder, "psql");
}

async function runCall(program: string, server: RunningServer, { database, sql }: PsqlCall): Promise<void> {
  const child = spawn(program, ["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"], {
    env: {
      PGHOST: server.host,
      PGPORT: String(server.port),
      PGUSER: server.admin,
      PGPASSWORD: server.password,
      PGDATABASE: database,
      PGSSLMODE: "disable",
      // As converge's sessions: nothing is found by luck, nothing waits for ever, no look starts workers.
      PGOPTIONS:
        "-c search_path= -c lock_timeout=10s -c statement_timeout=15min -c max_parallel_workers_per_gather=0 -c jit=off",
    },
    stdio: ["pipe", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
  // psql stops reading at the first error, and says it.
  child.stdin.on("error", () => undefined);
  child.stdin.end(sql);
  const status = await new Promise((resolve, reject) => {
    child.on("error", reject).on("close", resolve);
  });
  if (status !== 0) throw new Error(`psql in database ${database} ended with ${String(status)}: ${said.trim()}`);
}
