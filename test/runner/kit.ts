import { type ChildProcess, spawn } from "node:child_process";
import path from "node:path";
import { Writable } from "node:stream";
import type { RunningServer } from "../../local/postgres.ts";
import { parseConfig, RUNNER_ROLE, type RunnerConfig } from "../../runner/config.ts";
import { type Fleet, startFleet } from "../../runner/fleet.ts";
import { createLog } from "../../runner/log.ts";
import { superuserClient, waitFor } from "../server.ts";

/** The password of the runner's role on test servers. */
export const PASSWORD = "runner-test-password";
const VARIABLE = "RUNNER_TEST_PASSWORD";

/** Gives the runner's role its password, as a person does on a server of theirs. */
export async function letRunnerIn(server: RunningServer, password = PASSWORD): Promise<void> {
  const client = await superuserClient("postgres", server);
  try {
    await client.query(`alter role ${RUNNER_ROLE} password ${client.escapeLiteral(password)}`);
  } finally {
    await client.end();
  }
}

/** What a runner of the tests is told: everything is looked at often. */
export function runnerConfig(
  server: Pick<RunningServer, "host" | "port">,
  more: object = {},
  cell: object = {},
): RunnerConfig {
  const { host, port } = server;
  const home = { host, port, tls: "disable", credential: { env: VARIABLE }, ...cell };
  return parseConfig(
    JSON.stringify({
      cells: { home },
      listen: { port: 0 },
      cellEverySeconds: 0.5,
      merchantEverySeconds: 1,
      ...more,
    }),
    "test",
  );
}

/** A runner in this process, with the lines it logged. */
export interface TestFleet extends Fleet {
  readonly lines: readonly Record<string, unknown>[];
}

/** Starts a runner in this process. */
export function startTestFleet(config: RunnerConfig, password = PASSWORD): TestFleet {
  const lines: Record<string, unknown>[] = [];
  const destination = new Writable({
    write(chunk: Buffer, _encoding, done) {
      for (const line of chunk.toString("utf8").split("\n")) {
        if (line !== "") lines.push(JSON.parse(line) as Record<string, unknown>);
      }
      done();
    },
  });
  const fleet = startFleet(
    config,
    (name) => (name === VARIABLE ? password : undefined),
    createLog("debug", destination),
    () => undefined,
  );
  return { ...fleet, lines };
}

/** A runner in a process of its own. */
export interface RunnerProcess {
  readonly child: ChildProcess;
  output(): string;
  /** Where it answers, once it does. */
  url(): Promise<string>;
  /** Its exit status, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
}

/** What is different about a process: what else it has in its environment, and where the program is. */
export interface ProcessOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** Default: this repository. */
  readonly folder?: string;
  readonly args?: readonly string[];
}

/** Starts the program. */
export function startRunner(config: RunnerConfig, { env, folder, args = [] }: ProcessOptions = {}): RunnerProcess {
  const cwd = folder ?? path.join(import.meta.dirname, "..", "..");
  // As `npm run runner` does: 4 MB for what is young, which is most of what it makes, is enough.
  const child = spawn(process.execPath, ["--max-semi-space-size=4", path.join("runner", "main.ts"), ...args], {
    cwd,
    env: { ...process.env, MERCHANT_JOBS_RUNNER_CONFIG: JSON.stringify(config), [VARIABLE]: PASSWORD, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => (output += text));
  }
  const ended = new Promise<number | NodeJS.Signals>((resolve) => {
    child.on("close", (code, signal) => {
      resolve(code ?? signal ?? -1);
    });
  });
  const url = () =>
    waitFor(
      () => {
        if (child.exitCode !== null) throw new Error(`the runner ended: ${output}`);
        return /"address":"([^"]+)"/.exec(output)?.[1];
      },
      { what: "the runner listens" },
    );
  return { child, ended, url, output: () => output };
}
