import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { withSession } from "../../converge/session.ts";
import type { RunningServer } from "../../local/postgres.ts";
import { makeProject, type Project } from "../../test/project.ts";
import { merchantLines } from "./merchants.ts";

/** A stack of merchants of the real program, on the engine. */
export interface BenchStack {
  readonly project: Project;
  /** Runs a command of the engine. Throws the end of what it printed when it fails. */
  readonly run: (...args: readonly string[]) => Promise<void>;
}

/** Makes a stack of this many merchants, of which nothing is there yet. */
export async function makeStack(server: RunningServer, prefix: string, count: number): Promise<BenchStack> {
  const project = await makeProject({ server, merchants: merchantLines(prefix, count) });
  return { project, run: (...args) => runEngine(project, args) };
}

/**
 * Lets everything of the stack be destroyed: no resource is protected or retained any more, and the registry says of each
 * merchant that it is being dropped.
 */
export async function liftProtection({ project, run }: BenchStack, server: RunningServer): Promise<void> {
  const file = path.join(project.folder, "state.json");
  await run("stack", "export", "--file", file);
  const state = JSON.parse(readFileSync(file, "utf8")) as { deployment: { resources: object[] } };
  state.deployment.resources = state.deployment.resources.map((resource) => ({
    ...resource,
    protect: false,
    retainOnDelete: false,
  }));
  writeFileSync(file, JSON.stringify(state));
  await run("stack", "import", "--file", file);
  const { host, port, admin: user, password, cronDatabase } = server;
  await withSession(
    { cell: "home", scheduler: "pg_cron", host, port, user, password, tls: "disable" },
    cronDatabase,
    (session) => session.query("update merchant_jobs.merchants set dropping_since = pg_catalog.clock_timestamp()"),
  );
}

async function runEngine({ command, folder, env }: Project, args: readonly string[]): Promise<void> {
  const [program, ...first] = command;
  const child = spawn(program, [...first, ...args, "--stack", "test"], {
    cwd: folder,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => (said += text));
  }
  const status = await new Promise((resolve, reject) => {
    child.on("error", reject).on("close", resolve);
  });
  if (status === 0) return;
  throw new Error(`${args.join(" ")} ended with ${String(status)}:\n${said.split("\n").slice(-40).join("\n")}`);
}
