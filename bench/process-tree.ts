import { readdirSync, readFileSync } from "node:fs";

/** How often the memory of the processes is looked at, in milliseconds. A look takes less than one. */
const INTERVAL = 50;

/** Clock ticks in a second, as /proc counts them: USER_HZ is 100 on every architecture that Node.js supports. */
const TICKS = 100;

/** The memory of this process's children and theirs, while it is watched. */
export interface MemoryWatch {
  /** Ends the watch; gives the most that was seen at once, in bytes, or undefined where there is no /proc. */
  stop(): number | undefined;
}

/**
 * Watches the memory of every process below this one, except for those that run already (a server): what each has for
 * itself (RssAnon of proc_pid_status(5)), and the largest RssFile once, since processes of one program share those pages.
 * Exact figures (smaps_rollup) cost milliseconds a process, on the processors that are measured. A peak between two looks
 * is missed.
 */
export function watchMemory(): MemoryWatch {
  const before = new Set(childrenOf(process.pid));
  let peak: number | undefined;
  const look = () => {
    const roots = childrenOf(process.pid).filter((pid) => !before.has(pid));
    const all = roots.flatMap(treeOf).map((pid) => orGone(() => readFileSync(`/proc/${pid}/status`, "utf8"), ""));
    const own = all.reduce((sum, status) => sum + bytesOf(status, "RssAnon") + bytesOf(status, "RssShmem"), 0);
    const shared = Math.max(0, ...all.map((status) => bytesOf(status, "RssFile")));
    if (own > 0) peak = Math.max(peak ?? 0, own + shared);
  };
  const timer = setInterval(look, INTERVAL);
  return {
    stop() {
      clearInterval(timer);
      return peak;
    },
  };
}

/**
 * The processor time of every child that has ended so far, and of those that it waited for, in seconds: what another load of
 * the machine does not change much. Undefined where there is no /proc.
 */
export function childrenSeconds(): number | undefined {
  const stat = orGone<string | undefined>(() => readFileSync("/proc/self/stat", "utf8"), undefined);
  // Fields 16 and 17, cutime and cstime (proc_pid_stat(5)); the second, the program's name, may hold spaces.
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields && (Number(fields[13]) + Number(fields[14])) / TICKS;
}

function treeOf(pid: number): readonly number[] {
  return [pid, ...childrenOf(pid).flatMap(treeOf)];
}

/** A process's children are those of its threads (proc_pid_task(5), `children`). */
function childrenOf(pid: number): readonly number[] {
  const folder = `/proc/${pid}/task`;
  return orGone<readonly string[]>(() => readdirSync(folder), []).flatMap((thread) =>
    orGone(() => readFileSync(`${folder}/${thread}/children`, "utf8"), "")
      .split(" ")
      .filter((text) => text !== "")
      .map(Number),
  );
}

function bytesOf(status: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(status)?.[1] ?? 0) * 1024;
}

/** A process may end at any moment, also between two looks at it. */
function orGone<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}
