import { spawn } from "node:child_process";
import { once } from "node:events";
import { open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { hasSystemCode, LocalServerError } from "./errors.ts";
import { answers, readPostmaster, type ServerIdentity, serverProcesses } from "./processes.ts";
import { bareEnvironment, lastLines, type RunAs } from "./programs.ts";
import { poll } from "./waiting.ts";

/** How a server ends: `fast` rolls back and writes a checkpoint, `immediate` is a crash (PostgreSQL, "Shutting Down"). */
export type StopMode = "fast" | "immediate";

/** Recovery after a crash may take long on a slow disk. */
const startTimeoutMs = 300_000;
const stopTimeoutMs = 60_000;
/** How long the children of a killed postmaster get to notice it themselves. */
const orphanTimeoutMs = 3_000;

/**
 * Starts postgres and resolves with its pid once it accepts connections. It outlives this process. Throws
 * `start_failed` with the end of the log. Nothing of this server may be running: see `endLeftovers`.
 *
 * Not by pg_ctl, which puts the path of the log into a shell command and would need that file to be writable by the
 * user that the server runs as.
 */
export async function launchPostmaster(
  program: string,
  server: ServerIdentity,
  options: { readonly as: RunAs | undefined; readonly logFile: string },
): Promise<number> {
  const log = await open(options.logFile, "a", 0o600);
  try {
    const start = (await log.stat()).size;
    const child = spawn(program, ["-D", server.dataFolder], {
      cwd: "/",
      env: bareEnvironment,
      detached: true,
      stdio: ["ignore", log.fd, log.fd],
      ...options.as,
    });
    // A program that cannot be started gives "error" and no pid.
    await once(child, "spawn").catch((error: unknown) => {
      throw new LocalServerError("start_failed", `${program} could not be started.`, { cause: error });
    });
    child.unref();
    let ended = false;
    child.once("exit", () => (ended = true));
    const outcome = await poll(
      async () => {
        if (ended) return "ended";
        const postmaster = await readPostmaster(server);
        return postmaster?.pid === child.pid && postmaster?.ready === true ? "ready" : undefined;
      },
      { timeoutMs: startTimeoutMs },
    );
    if (outcome === "ready" && child.pid !== undefined) return child.pid;
    const said = (await readFile(options.logFile)).subarray(start).toString("utf8");
    const what = outcome === "ended" ? "ended at once" : `was not ready after ${startTimeoutMs / 1000} s`;
    throw new LocalServerError(
      "start_failed",
      `PostgreSQL ${what}; the end of ${options.logFile}:\n${lastLines(said, 8)}`,
    );
  } finally {
    await log.close();
  }
}

/**
 * Says whether the server serves on its port; waits while it is on its way up or down. False: no postmaster is left.
 * Throws `start_failed` when it neither comes up nor ends.
 */
export async function isServing(server: ServerIdentity, port: number): Promise<boolean> {
  const serving = await poll(
    async () => {
      const postmaster = await readPostmaster(server);
      if (postmaster === undefined) return false;
      return postmaster.ready && (await answers(port)) ? true : undefined;
    },
    { timeoutMs: startTimeoutMs },
  );
  if (serving !== undefined) return serving;
  throw new LocalServerError(
    "start_failed",
    `The server on ${server.dataFolder} runs and does not answer on port ${port}: see its log, or \`npm run server -- stop\`.`,
  );
}

/**
 * Ends the server and resolves when no process of it is left; does nothing when none runs. Throws `not_yours` when
 * this user may not end it, `stop_failed` when a process stays.
 */
export async function stopPostmaster(server: ServerIdentity, mode: StopMode): Promise<void> {
  const postmaster = await readPostmaster(server);
  if (postmaster !== undefined) {
    signal(postmaster.pid, mode === "fast" ? "SIGINT" : "SIGQUIT");
    await poll(async () => ((await readPostmaster(server))?.pid === postmaster.pid ? undefined : true), {
      timeoutMs: stopTimeoutMs,
    });
  }
  await endLeftovers(server);
}

/**
 * Clears what a killed server left: waits until its processes have ended, ends those that do not notice (a backend in a
 * long query does not look), and only then removes postmaster.pid. That file stops a second server from opening data
 * that an old backend still writes, and it also stops ours when its pid went to another process.
 */
export async function endLeftovers(server: ServerIdentity): Promise<void> {
  const gone = async (): Promise<true | undefined> => ((await serverProcesses(server)).length === 0 ? true : undefined);
  if ((await poll(gone, { timeoutMs: orphanTimeoutMs })) === undefined) {
    for (const pid of await serverProcesses(server)) signal(pid, "SIGQUIT");
    if ((await poll(gone, { timeoutMs: stopTimeoutMs })) === undefined) {
      const pids = (await serverProcesses(server)).join(", ");
      throw new LocalServerError(
        "stop_failed",
        `Processes of the server on ${server.dataFolder} do not end: ${pids}. See what they do, and end them with \`kill\`.`,
      );
    }
  }
  await rm(join(server.dataFolder, "postmaster.pid"), { force: true });
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (hasSystemCode(error, "ESRCH")) return;
    throw new LocalServerError(
      "not_yours",
      `The server's process ${pid} belongs to another operating-system user: stop it as that user or as root.`,
      { cause: error },
    );
  }
}
