import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { open, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { stringify } from "yaml";
import { messageOf } from "../../converge/errors.ts";
import { parseConfig, RUNNER_ROLE } from "../../runner/config.ts";
import type { Verdict } from "../../runner/trouble.ts";
import type { RunningServer } from "../postgres.ts";
import { setPassword } from "../postgres/administrator.ts";
import { choosePort } from "../postgres/port.ts";
import { newPassword } from "../postgres/stored-files.ts";

/** Milliseconds that it gets to start, and to end. */
const PATIENCE = 30_000;
/** Milliseconds in which it looks several times. */
const LOOKS = 10_000;

/** The runner of a local server. */
export interface LocalRunner {
  /** What `npm run runner -- --config` is given. */
  readonly configFile: string;
  /** Where its status page is. */
  readonly url: string;
  readonly logFile: string;
}

/** Lets the runner into the local server, by a password of its own, and writes down how it is started. */
export async function prepareRunner(server: RunningServer, cell: string, folder: string): Promise<LocalRunner> {
  const passwordFile = path.join(folder, "runner.password");
  const configFile = path.join(folder, "runner.yaml");
  const password = (await readIfThere(passwordFile)) ?? newPassword();
  await writeFile(passwordFile, password, { mode: 0o600 });
  await setPassword(server.port, server.superuser, { role: RUNNER_ROLE, password });
  const port = (await keptPort(configFile)) ?? (await choosePort(configFile));
  const { host } = server;
  const home = { host, port: server.port, tls: "disable", credential: { file: passwordFile } };
  await writeFile(configFile, stringify({ cells: { [cell]: home }, listen: { port } }));
  return { configFile, url: urlOf(port), logFile: path.join(folder, "runner.log") };
}

function urlOf(port: number): string {
  return `http://127.0.0.1:${port}/`;
}

/** A person may have one open in another window, or have bookmarked its page. */
async function keptPort(configFile: string): Promise<number | undefined> {
  const text = await readIfThere(configFile);
  return text === undefined ? undefined : parseConfig(text, configFile).listen.port;
}

async function readIfThere(file: string): Promise<string | undefined> {
  return await readFile(file, "utf8").catch(() => undefined);
}

/**
 * Has a runner at work for as long as `work` takes, which gets its address. Beside another one, which looks less often, it
 * has another port, and does no harm.
 */
export async function withRunner<T>(
  { configFile, url: page, logFile }: LocalRunner,
  project: string,
  work: (url: string) => Promise<T>,
): Promise<T> {
  const written = parseConfig(await readFile(configFile, "utf8"), configFile);
  const port = (await answers(page)) ? await choosePort(page) : written.listen.port;
  const config: unknown = { ...written, listen: { port }, cellEverySeconds: 1, merchantEverySeconds: 1 };
  const url = urlOf(port);
  const log = await open(logFile, "a", 0o600);
  const child = spawn(process.execPath, [path.join(project, "runner", "main.ts")], {
    cwd: project,
    env: { ...process.env, MERCHANT_JOBS_RUNNER_CONFIG: JSON.stringify(config) },
    stdio: ["ignore", log.fd, log.fd],
  });
  try {
    await started(child, url, logFile);
    return await work(url);
  } finally {
    if (child.exitCode === null) {
      child.kill("SIGTERM");
      await once(child, "exit");
    }
    await log.close();
  }
}

async function started(child: ChildProcess, url: string, logFile: string): Promise<void> {
  const end = performance.now() + PATIENCE;
  while (!(await answers(url))) {
    if (child.exitCode !== null || performance.now() >= end)
      throw new Error(`the runner did not start: see ${logFile}`);
    await sleep(100);
  }
}

async function answers(url: string): Promise<boolean> {
  return await fetch(new URL("healthz", url)).then(
    ({ ok }) => ok,
    () => false,
  );
}

/** What the runner says: whether every job ran, in one sentence. It hears of the last run by its next look, a second later. */
export async function askRunner(url: string): Promise<string> {
  const end = performance.now() + LOOKS;
  for (;;) {
    try {
      const { status, answer } = (await (await fetch(new URL("health", url))).json()) as Verdict;
      if (status === "ok" || performance.now() >= end) return answer;
    } catch (error) {
      return `it gave no answer: ${messageOf(error)}`;
    }
    await sleep(200);
  }
}
