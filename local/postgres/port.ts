import { createHash } from "node:crypto";
import { readdir, readFile, readlink } from "node:fs/promises";
import { createServer } from "node:net";
import { LocalServerError } from "./errors.ts";

const lowest = 20_000;
const count = 10_000;

/**
 * Chooses a port of 127.0.0.1 that is free now: the first one from a place that the folder decides, so that two clones
 * do not meet even while one of them is stopped. All lie below the ports that Linux hands to outgoing connections
 * (32768 and up, ip_local_port_range), or a client of another program could sit on ours when we start again.
 */
export async function choosePort(folder: string): Promise<number> {
  const first = createHash("sha256").update(folder).digest().readUInt32BE(0) % count;
  for (let step = 0; step < count; step += 1) {
    const port = lowest + ((first + step) % count);
    if (await isFree(port)) return port;
  }
  throw new LocalServerError("port_taken", `No port from ${lowest} to ${lowest + count - 1} of 127.0.0.1 is free.`);
}

/** Throws `port_taken`, with who has it as far as this user may see that, unless the port of 127.0.0.1 is free. */
export async function assertPortFree(port: number): Promise<void> {
  if (await isFree(port)) return;
  throw new LocalServerError(
    "port_taken",
    `Port ${port} of 127.0.0.1, which this local server keeps, is taken by ${await describeListener(port)}. ` +
      "End that program; or move the server with `npm run server -- start --port <another>`, " +
      "after which the next `up` shows a changed port and a refresh works again only after that `up`.",
  );
}

async function isFree(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => {
      resolve(false);
    });
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => {
      server.close(() => {
        resolve(true);
      });
    });
  });
}

/** "process 4711 (node server.js)" when /proc shows it, else the user id that listens. */
async function describeListener(port: number): Promise<string> {
  const listener = (await listeners()).find((candidate) => candidate.port === port);
  if (listener === undefined) return "another program";
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const handles = await readdir(`/proc/${pid}/fd`).catch(() => []);
    for (const handle of handles) {
      const target = await readlink(`/proc/${pid}/fd/${handle}`).catch(() => "");
      if (target !== `socket:[${listener.inode}]`) continue;
      const words = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
      return `process ${pid} (${words.split("\0").join(" ").trim()})`;
    }
  }
  return `a process of the operating-system user ${listener.uid}`;
}

interface Listener {
  readonly port: number;
  readonly uid: string;
  readonly inode: string;
}

/** Listening TCP sockets. /proc/net/tcp: `sl local_address rem_address st … uid timeout inode`, 0A is LISTEN (proc(5)). */
async function listeners(): Promise<readonly Listener[]> {
  const texts = await Promise.all(["tcp", "tcp6"].map((name) => readFile(`/proc/net/${name}`, "utf8").catch(() => "")));
  return texts
    .flatMap((text) => text.split("\n").slice(1))
    .map((line) => line.trim().split(/\s+/))
    .flatMap(([, local, , state, , , , uid, , inode]) =>
      local !== undefined && uid !== undefined && inode !== undefined && state === "0A"
        ? [{ port: Number.parseInt(local.slice(local.lastIndexOf(":") + 1), 16), uid, inode }]
        : [],
    );
}
