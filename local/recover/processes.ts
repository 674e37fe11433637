import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { readdir, readFile, readlink, realpath } from "node:fs/promises";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";

/** A process of this machine. */
export interface ProcessInfo {
  readonly pid: number;
  readonly parent: number;
  readonly words: readonly string[];
}

/** Milliseconds that a provider gets to end by itself, after its engine is gone. */
const PATIENCE = 3_000;
const INTERVAL = 100;

/**
 * The provider processes of an engine that is gone: those that work in this folder, are providers by their command
 * line, and have no living engine above them. A preview holds no lock and has providers too: its engine lives.
 */
export function findLeftOvers(
  all: readonly ProcessInfo[],
  isHere: (process: ProcessInfo) => boolean,
): readonly ProcessInfo[] {
  const byPid = new Map(all.map((one) => [one.pid, one]));
  const hasEngine = (one: ProcessInfo): boolean => {
    const seen = new Set<number>();
    for (let at = byPid.get(one.parent); at !== undefined && !seen.has(at.pid); at = byPid.get(at.parent)) {
      if (isEngine(at.words)) return true;
      seen.add(at.pid);
    }
    return false;
  };
  return all.filter((one) => isProvider(one.words) && isHere(one) && !hasEngine(one));
}

/** Node with the SDK's provider of dynamic resources, or a provider's plugin, also when a shell runs it as a script. */
export function isProvider(words: readonly string[]): boolean {
  const isPlugin = (word: string | undefined) =>
    word !== undefined && path.basename(word).startsWith("pulumi-resource-");
  return (
    isPlugin(words[0]) ||
    isPlugin(words[1]) ||
    words.slice(1).some((word) => /(^|\/)@pulumi\/pulumi\/cmd\/dynamic-provider(\/index\.js)?$/.test(word))
  );
}

/** The Pulumi CLI or the local engine, whatever it is doing. */
function isEngine(words: readonly string[]): boolean {
  if (words[0] !== undefined && path.basename(words[0]) === "pulumi") return true;
  return words.slice(1).some((word) => /(^|\/)local\/engine\/cli\.ts$/.test(word));
}

/** Waits for left-over provider processes of a project's folder, ends those that stay, and gives what it says of each. */
export async function endLeftOvers(folder: string, patience = PATIENCE): Promise<readonly string[]> {
  const first = await leftOversIn(folder);
  const end = performance.now() + patience;
  let left = first;
  while (left.length > 0 && performance.now() < end) {
    await pause(INTERVAL);
    left = await leftOversIn(folder);
  }
  for (const { pid } of left) kill(pid);
  const ended = new Set(left.map(({ pid }) => pid));
  while (left.length > 0) {
    await pause(INTERVAL);
    left = (await leftOversIn(folder)).filter(({ pid }) => ended.has(pid));
  }
  return first.map(({ pid }) =>
    ended.has(pid)
      ? `ended process ${String(pid)}, a provider of the run that was killed`
      : `waited until process ${String(pid)} had ended, a provider of the run that was killed`,
  );
}

async function leftOversIn(folder: string): Promise<readonly ProcessInfo[]> {
  const here = await realpath(folder);
  const all = await listProcesses();
  const providers = all.filter(({ words }) => isProvider(words));
  const folders = new Map(await Promise.all(providers.map(async ({ pid }) => [pid, await folderOf(pid)] as const)));
  return findLeftOvers(all, ({ pid }) => folders.get(pid) === here);
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    // It ended meanwhile.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

const run = promisify(execFile);
const hasProc = () => existsSync("/proc/self/stat");

/** Every process that can be seen; one whose command line is empty (a zombie, the kernel's) is left out. */
export async function listProcesses(): Promise<readonly ProcessInfo[]> {
  if (!hasProc()) {
    const { stdout } = await run("ps", ["-axo", "pid=,ppid=,command="], { maxBuffer: 64 * 1024 * 1024 });
    return stdout.split("\n").flatMap((line) => {
      const [, pid, parent, command] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? [];
      return command === undefined ? [] : [{ pid: Number(pid), parent: Number(parent), words: command.split(" ") }];
    });
  }
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid): Promise<ProcessInfo | undefined> => {
      const [line, stat] = await Promise.all([readProc(pid, "cmdline"), readProc(pid, "stat")]);
      // The second field, the program's name, may itself hold spaces and brackets; the fourth is the parent (proc(5)).
      const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
      return line === "" ? undefined : { pid: Number(pid), parent, words: line.split("\0").slice(0, -1) };
    }),
  );
  return found.filter((one) => one !== undefined);
}

/** The process may be gone by now. */
function readProc(pid: string, file: string): Promise<string> {
  return readFile(`/proc/${pid}/${file}`, "utf8").catch(() => "");
}

/** The working folder of a process; undefined when it is gone or another user's. */
async function folderOf(pid: number): Promise<string | undefined> {
  if (hasProc()) return readlink(`/proc/${String(pid)}/cwd`).catch(() => undefined);
  try {
    const { stdout } = await run("lsof", ["-a", "-d", "cwd", "-p", String(pid), "-Fn"]);
    return /^n(.*)$/m.exec(stdout)?.[1];
  } catch {
    return undefined;
  }
}
