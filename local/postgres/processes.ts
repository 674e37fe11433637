import { readdir, readFile } from "node:fs/promises";
import { connect } from "node:net";
import { basename, join } from "node:path";
import { hasSystemCode } from "./errors.ts";

/** Where a server's data lies and the name that its processes carry in their titles. */
export interface ServerIdentity {
  readonly dataFolder: string;
  readonly clusterName: string;
}

/**
 * The pids of every process of this server, the postmaster or what a killed one left behind.
 *
 * Known by /proc/<pid>/cmdline, which every user may read: a postmaster has the data folder in it, and PostgreSQL puts
 * `cluster_name` into the title of every other process. A pid from postmaster.pid proves nothing after a crash or in
 * another container; and a zombie has no command line, so it does not count as running.
 */
export async function serverProcesses(server: ServerIdentity): Promise<readonly number[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const commandLines = await Promise.all(
    pids.map(async (pid) => ({ pid: Number(pid), words: await commandLine(pid) })),
  );
  return commandLines.filter(({ words }) => belongs(words, server)).map(({ pid }) => pid);
}

/** The postmaster's pid and whether it accepts connections; undefined when no postmaster of this server is alive. */
export async function readPostmaster(
  server: ServerIdentity,
): Promise<{ readonly pid: number; readonly ready: boolean } | undefined> {
  // pid, data folder, start time, port, socket folder, address, shared memory key, status: miscadmin.h, LOCK_FILE_LINE_*.
  const lines = (await readPidFile(server.dataFolder)).split("\n");
  const pid = Number(lines[0]);
  if (!Number.isInteger(pid) || pid <= 0 || !belongs(await commandLine(String(pid)), server)) return undefined;
  return { pid, ready: lines[7]?.trim() === "ready" };
}

/**
 * Asks a port of 127.0.0.1 whether TLS is spoken there (protocol, "SSL Session Encryption"). The kernel takes
 * connections for a postmaster that is dying; only one that lives can start the process that gives this answer.
 */
export async function answers(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" });
    const request = Buffer.alloc(8);
    request.writeInt32BE(8, 0);
    request.writeInt32BE(80_877_103, 4);
    socket.once("data", () => {
      resolve(true);
      socket.destroy();
    });
    socket
      .on("error", () => undefined)
      .on("close", () => {
        resolve(false);
      });
    socket.write(request);
  });
}

async function readPidFile(dataFolder: string): Promise<string> {
  try {
    return await readFile(join(dataFolder, "postmaster.pid"), "utf8");
  } catch (error) {
    if (hasSystemCode(error, "ENOENT")) return "";
    throw error;
  }
}

function belongs(words: readonly string[], server: ServerIdentity): boolean {
  const [program, option, folder] = words;
  if (program === undefined) return false;
  if (program.startsWith(`postgres: ${server.clusterName}: `)) return true;
  return basename(program) === "postgres" && option === "-D" && folder === server.dataFolder;
}

async function commandLine(pid: string): Promise<readonly string[]> {
  // The process may be gone by now.
  const text = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  return text === "" ? [] : text.split("\0");
}
