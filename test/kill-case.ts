import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { readlink, realpath } from "node:fs/promises";
import path from "node:path";
import { expect } from "vitest";
import { readSqlFiles } from "../converge/sql-files.ts";
import { listProcesses } from "../local/recover/processes.ts";
import { JOBS } from "../spec/jobs.ts";
import { roleNames } from "../spec/names.ts";
import { prepareCell, sqlRoot } from "./merchants.ts";
import { makeProject, type Outcome, type Project } from "./project.ts";
import { type Boundary, type Proxy, startProxy } from "./proxy.ts";
import { dropMerchantLeftovers, freshName, superuserClient, testServer, waitFor } from "./server.ts";

/** A project with new merchants, whose every connection goes through a proxy that can stop it. */
export interface KillCase {
  readonly project: Project;
  readonly proxy: Proxy;
  /** Ids of the merchants, each also the name of its database. */
  readonly merchants: readonly string[];
  readonly prefix: string;
}

/** Makes a project of new merchants for the time of `work`, and removes all that came of it. */
export async function withKillCase<T>(howMany: number, work: (at: KillCase) => Promise<T>): Promise<T> {
  const prefix = freshName("kill");
  const merchants = Array.from({ length: howMany }, (_, i) => `${prefix}_${String(i)}`);
  const { host, port } = testServer();
  const proxy = await startProxy({ host, port });
  const project = await makeProject({
    merchants: Object.fromEntries(merchants.map((id) => [id, { database: id }])),
    port: proxy.port,
  });
  try {
    return await work({ project, proxy, merchants, prefix });
  } finally {
    await proxy.close();
    project.remove();
    await dropMerchantLeftovers(prefix);
  }
}

/** Runs `up` through to its end and gives how many statements that took, on a cell that has its cron database. */
export async function countStatements({ project, proxy }: KillCase): Promise<number> {
  await prepareCell();
  void proxy.stopAt({ statement: Number.POSITIVE_INFINITY, when: "before" });
  const run = await project.pulumi("up", "--yes", "--skip-preview");
  expect(run.status, run.out + run.err).toBe(0);
  return proxy.counted();
}

/** Runs `up` and kills all of it at a statement; false when it ended before that. */
export async function killAtStatement(
  { project, proxy }: Pick<KillCase, "project" | "proxy">,
  boundary: Boundary,
): Promise<boolean> {
  const reached = proxy.stopAt(boundary).then(() => "reached" as const);
  const run = startUp(project);
  const what = await Promise.race([reached, run.ended]);
  await killTree(run.process);
  await run.ended;
  proxy.resume();
  return what === "reached";
}

/** Runs `up` and kills all of it after some milliseconds; false when it ended before that. */
export async function killAfter({ project }: KillCase, milliseconds: number): Promise<boolean> {
  const run = startUp(project);
  let timer: NodeJS.Timeout | undefined;
  const due = new Promise<"due">((resolve) => {
    timer = setTimeout(resolve, milliseconds, "due");
  });
  const what = await Promise.race([due, run.ended]);
  clearTimeout(timer);
  await killTree(run.process);
  await run.ended;
  return what === "due";
}

/** Runs `up` and kills all of it when something is there; false when it ended before that. */
export async function killWhen(project: Project, isThere: () => Promise<unknown>): Promise<boolean> {
  const run = startUp(project);
  const what = await Promise.race([isThere().then(() => "there" as const), run.ended]);
  await killTree(run.process);
  await run.ended;
  return what === "there";
}

/** Recovers as a user does, in the project's folder. */
export async function recover(project: Project, ...args: readonly string[]): Promise<Outcome> {
  const program = path.join(import.meta.dirname, "..", "local", "recover.ts");
  const engine = process.env["ENGINE"] === "pulumi" ? "pulumi" : "local";
  const words = [program, "--stack", "test", "--engine", engine, ...args];
  const child = spawn(process.execPath, words, {
    cwd: project.folder,
    env: project.env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let out = "";
  let err = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
  const [status] = (await once(child, "close")) as [number | null];
  return { status: status ?? -1, out, err };
}

/** Recovers, runs `up`, and looks at the server and at this machine: converged, nothing twice, nothing left over. */
export async function expectRecovery(at: KillCase, label: string): Promise<void> {
  const { project } = at;
  const first = await recover(project);
  const said = `${label}\nrecover:\n${first.out}${first.err}`;
  expect(first.status, said).toBe(0);
  const up = await project.pulumi("up", "--yes", "--skip-preview");
  expect(up.status, `${said}up:\n${up.out}${up.err}`).toBe(0);
  const look = await project.pulumi("preview", "--refresh", "--diff", "--expect-no-changes");
  expect(look.status, `${said}preview --refresh:\n${look.out}${look.err}`).toBe(0);
  await expectWhole(at, said);
  await expectNothingLeft(project, said);
}

/** Each merchant has what it shall have, once, and there is nothing else with its name. */
async function expectWhole({ merchants, prefix }: KillCase, said: string): Promise<void> {
  const cron = await superuserClient("cron");
  try {
    const found = await cron.query<{ roles: string[]; databases: string[]; jobs: string[]; registered: string[] }>(
      `select
         array(select rolname::text from pg_roles where starts_with(rolname, $1) order by 1) as roles,
         array(select datname::text from pg_database where starts_with(datname, $1) order by 1) as databases,
         array(select jobname::text from cron.job where starts_with(jobname, $1) or starts_with(database, $1) order by 1)
           as jobs,
         array(select merchant from merchant_jobs.merchants where starts_with(merchant, $1) order by 1) as registered`,
      [prefix],
    );
    const jobs = merchants.flatMap((id) => Object.keys(JOBS).map((job) => `${id}:${job}`));
    expect(found.rows[0], said).toEqual({
      roles: merchants.flatMap((id) => Object.values(roleNames(id)) as string[]).sort(),
      databases: [...merchants].sort(),
      jobs: jobs.sort(),
      registered: [...merchants].sort(),
    });
  } finally {
    await cron.end();
  }
  const migrations = readSqlFiles(sqlRoot, "merchant").flatMap(({ kind, name }) => (kind === "migration" ? name : []));
  for (const id of merchants) {
    const client = await superuserClient(id);
    try {
      const applied = await client.query<{ file: string }>(
        "select file from merchant_jobs.applied_files where kind = 'migration' order by file",
      );
      expect(
        applied.rows.map(({ file }) => file),
        said,
      ).toEqual([...migrations].sort());
    } finally {
      await client.end();
    }
  }
}

/** No pending operation, no lock, no journal, no process. */
async function expectNothingLeft(project: Project, said: string): Promise<void> {
  const again = await recover(project);
  expect(again.out + again.err, said).toContain("There is nothing to do.");
  const pulumi = path.join(project.folder, ".local", "state", ".pulumi");
  const files = (folder: string): string[] =>
    existsSync(folder)
      ? readdirSync(folder, { withFileTypes: true, recursive: true })
          .filter((entry) => entry.isFile())
          .map((entry) => entry.name)
      : [];
  expect(files(path.join(pulumi, "locks")), said).toEqual([]);
  expect(
    files(path.join(pulumi, "stacks")).filter((name) => !/\.(json|json\.bak|attrs)$/.test(name)),
    said,
  ).toEqual([]);
  await waitFor(async () => (await processesIn(project.folder)).length === 0, {
    what: `no process to work in ${project.folder} any more`,
  });
}

interface Running {
  readonly process: ChildProcess;
  readonly ended: Promise<"ended">;
}

function startUp(project: Project): Running {
  const [program, ...first] = project.command;
  const child = spawn(program, [...first, "up", "--yes", "--skip-preview", "--stack", "test"], {
    cwd: project.folder,
    env: project.env,
    stdio: "ignore",
  });
  return { process: child, ended: once(child, "exit").then(() => "ended" as const) };
}

/** The engine first, so that it cannot write down that its children died; then the program and the providers. */
async function killTree(engine: ChildProcess): Promise<void> {
  if (engine.pid === undefined || engine.exitCode !== null) return;
  const all = await listProcesses();
  const tree = new Set([engine.pid]);
  for (let size = 0; size < tree.size;) {
    size = tree.size;
    for (const { pid, parent } of all) if (tree.has(parent)) tree.add(pid);
  }
  for (const pid of tree) {
    try {
      process.kill(pid, "SIGKILL");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
}

async function processesIn(folder: string): Promise<readonly number[]> {
  const here = await realpath(folder);
  const all = await listProcesses();
  const found = await Promise.all(
    all.map(async ({ pid }) => ((await readlink(`/proc/${String(pid)}/cwd`).catch(() => "")) === here ? pid : [])),
  );
  return found.flat();
}
