import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname, userInfo } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { EngineError } from "./errors.ts";

/** Where the files of one stack are: those of the CLI's file backend (pkg/backend/diy), and the journal beside the state. */
export interface StackFiles {
  readonly stack: string;
  readonly state: string;
  readonly journal: string;
  readonly locks: string;
}

/** The folder of `PULUMI_BACKEND_URL=file://…`; without it `.local/state` of the project. */
export function stateFolder(env: NodeJS.ProcessEnv, projectFolder: string): string {
  const url = env["PULUMI_BACKEND_URL"];
  if (!url) return path.join(projectFolder, ".local", "state");
  if (!url.startsWith("file://")) {
    throw new EngineError(
      "state",
      `PULUMI_BACKEND_URL is ${url.split("?")[0] ?? ""}; the local engine keeps state in files only: use file://<folder>, ` +
        "unset it, or use the Pulumi CLI",
    );
  }
  const rest = url.slice("file://".length).split("?")[0] ?? "";
  if (rest.startsWith("~")) return path.join(userInfo().homedir, rest.slice(1));
  return path.isAbsolute(rest) ? decodePath(url, rest) : path.resolve(projectFolder, rest);
}

/** The CLI takes the path as it stands, and a URL's escapes too. */
function decodePath(url: string, rest: string): string {
  return existsSync(rest) || !rest.includes("%") ? rest : fileURLToPath(url);
}

/** The files of a stack. */
export function stackFiles(folder: string, project: string, stack: string): StackFiles {
  const stacks = path.join(folder, ".pulumi", "stacks", project);
  return {
    stack,
    state: path.join(stacks, `${stack}.json`),
    journal: path.join(stacks, `${stack}.journal`),
    locks: path.join(folder, ".pulumi", "locks", "organization", project, stack),
  };
}

/** The names of the project's stacks, sorted. */
export function listStacks(folder: string, project: string): readonly string[] {
  const stacks = path.join(folder, ".pulumi", "stacks", project);
  if (!existsSync(stacks)) return [];
  return readdirSync(stacks)
    .filter((name) => name.endsWith(".json"))
    .map((name) => name.slice(0, -".json".length))
    .sort();
}

/** Writes what tells the CLI that the folder keeps its stacks by project. */
export function markBackend(folder: string): void {
  const meta = path.join(folder, ".pulumi", "meta.yaml");
  if (existsSync(meta)) return;
  mkdirSync(path.dirname(meta), { recursive: true });
  writeFileSync(meta, "version: 1\n");
}

interface LockContent {
  readonly pid: number;
  readonly username: string;
  readonly hostname: string;
  readonly timestamp: string;
}

interface Lock extends LockContent {
  readonly file: string;
  /** Its process is known to be gone. */
  readonly dead: boolean;
}

/** The locks on the stack, with what is known of their holders. */
function readLocks(files: StackFiles): readonly Lock[] {
  if (!existsSync(files.locks)) return [];
  return readdirSync(files.locks)
    .filter((name) => name.endsWith(".json"))
    .map((name) => path.join(files.locks, name))
    .flatMap((file) => {
      try {
        const content = JSON.parse(readFileSync(file, "utf8")) as LockContent;
        return [{ ...content, file, dead: content.hostname === hostname() && !isAlive(content.pid) }];
      } catch {
        // Another run is just writing or removing it.
        return existsSync(file)
          ? [{ file, dead: false, pid: 0, username: "?", hostname: "?", timestamp: "a moment ago" }]
          : [];
      }
    });
}

/** Whether there is a process with this number, whoever's it is. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
  return true;
}

function describe(lock: Lock): string {
  const holder = `process ${lock.pid} of ${lock.username}@${lock.hostname}, since ${lock.timestamp}`;
  return lock.dead ? `${holder}, which is gone` : holder;
}

/**
 * Takes the stack for this process; the function that is given back lets it go. Each run writes a file of its own and then
 * looks for others, so that of two that start together at most one goes on.
 */
export function lockStack(files: StackFiles): () => void {
  mkdirSync(files.locks, { recursive: true });
  const own = path.join(files.locks, `${randomUUID()}.json`);
  const content: LockContent = {
    pid: process.pid,
    username: userInfo().username,
    hostname: hostname(),
    timestamp: new Date().toISOString(),
  };
  const refuseOthers = () => {
    const others = readLocks(files).filter((lock) => lock.file !== own);
    if (others.length === 0) return;
    const way = others.every((lock) => lock.dead)
      ? `clear it, and check what the run left: npm run recover -- --stack ${files.stack}`
      : `wait until it has ended; of a run that died on another machine: npm run pulumi -- cancel --stack ${files.stack} --yes`;
    throw new EngineError("locked", `the stack ${files.stack} is locked by ${others.map(describe).join("; ")}: ${way}`);
  };
  refuseOthers();
  writeFileSync(own, JSON.stringify(content), { mode: 0o600 });
  const unlock = () => {
    rmSync(own, { force: true });
  };
  try {
    refuseOthers();
  } catch (error) {
    unlock();
    throw error;
  }
  return unlock;
}

/** Removes the locks of processes that are gone, and says which; refuses one whose process lives on this machine. */
export function clearLocks(files: StackFiles): readonly string[] {
  const locks = readLocks(files);
  const alive = locks.find((lock) => !lock.dead && lock.hostname === hostname());
  if (alive) {
    throw new EngineError(
      "locked",
      `the stack ${files.stack} is locked by ${describe(alive)}, which is running: end it first`,
    );
  }
  for (const lock of locks) rmSync(lock.file, { force: true });
  return locks.map(describe);
}
