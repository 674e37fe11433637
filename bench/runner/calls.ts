import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { findInstallations } from "../../local/postgres/installation.ts";
import { RUNNER_ROLE } from "../../runner/config.ts";
import { PASSWORD } from "../../test/runner/kit.ts";
import { type BenchFleet, inEach } from "./fleet.ts";

/** Clients of pgbench, and runs that the runner has at once when it is told nothing. */
const CLIENTS = 5;
const SECONDS = 20;

/** Calls of the job in a second by pgbench, with a connection for each: a process for each client, in a database of its own. */
export async function pgbenchRate({ server, databases }: BenchFleet, job: string): Promise<number> {
  const [newest] = (await findInstallations()).withCron;
  if (newest === undefined) throw new Error("there is no PostgreSQL with pg_cron, though a server of it runs");
  const folder = mkdtempSync(path.join(tmpdir(), "runner bench "));
  const script = path.join(folder, "call.sql");
  writeFileSync(script, `call app.run_job('${job}');\n`);
  try {
    const rates = await Promise.all(
      databases.slice(0, CLIENTS).map(async (database) => {
        const words = ["--no-vacuum", "--connect", "--client=1", `--time=${String(SECONDS)}`, `--file=${script}`];
        const said = await output(path.join(newest.binFolder, "pgbench"), words, {
          PGHOST: server.host,
          PGPORT: String(server.port),
          PGUSER: RUNNER_ROLE,
          PGPASSWORD: PASSWORD,
          PGDATABASE: database,
          PGSSLMODE: "disable",
        });
        return Number(/^tps = ([\d.]+)/m.exec(said)?.[1]);
      }),
    );
    return rates.reduce((sum, rate) => sum + rate, 0);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function output(program: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<string> {
  const child = spawn(program, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => (said += text));
  }
  const status = await new Promise((resolve, reject) => {
    child.on("error", reject).on("close", resolve);
  });
  if (status !== 0) throw new Error(`${program} ended with ${String(status)}: ${said}`);
  return said;
}

/** Runs in a second that a runner makes which has more to do than it can: it is beside this one already. */
export async function runnerRate(fleet: BenchFleet, merchants: number): Promise<number> {
  await pause(5_000);
  const from = new Date();
  await pause(SECONDS * 1000);
  const to = new Date();
  const counts = await inEach(fleet, merchants, async (client) => {
    const { rows } = await client.query<{ n: number }>(
      `select count(*)::int as n from app.job_runs
       where status = 'succeeded' and scheduler = 'runner' and finished_at >= $1 and finished_at < $2`,
      [from, to],
    );
    return rows[0]?.n ?? 0;
  });
  return (counts.reduce((sum, n) => sum + n, 0) / (to.getTime() - from.getTime())) * 1000;
}
