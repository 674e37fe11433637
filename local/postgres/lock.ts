import { createHash } from "node:crypto";
import { connect, createServer, type Server, type Socket } from "node:net";
import { hasSystemCode } from "./errors.ts";

/**
 * Runs `fn` while no other process of this machine does so for the same folder.
 *
 * The lock is the name of an abstract Unix socket: the kernel gives it to one process only and takes it back when that
 * process ends in whatever way, so there is no stale lock, no file with an owner, and no clean-up. Linux only, as is
 * everything that can start a server here.
 */
export async function withFolderLock<T>(folder: string, fn: () => Promise<T>): Promise<T> {
  const name = `\0merchant-jobs-${createHash("sha256").update(folder).digest("hex").slice(0, 32)}`;
  let held = await take(name);
  while (held === undefined) {
    await waitForRelease(name);
    held = await take(name);
  }
  try {
    return await fn();
  } finally {
    await held.release();
  }
}

async function take(name: string): Promise<{ release: () => Promise<void> } | undefined> {
  const waiting = new Set<Socket>();
  const server: Server = createServer((socket) => {
    waiting.add(socket);
    socket.on("error", () => undefined).on("close", () => waiting.delete(socket));
  });
  const taken = await new Promise<boolean>((resolve, reject) => {
    server.once("error", (error) => {
      if (hasSystemCode(error, "EADDRINUSE")) resolve(false);
      else reject(error);
    });
    server.listen(name, () => {
      resolve(true);
    });
  });
  if (!taken) return undefined;
  return {
    release: async () => {
      await new Promise<void>((resolve) => {
        server.close(() => {
          resolve();
        });
        for (const socket of waiting) socket.destroy();
      });
    },
  };
}

/** Resolves when the process that holds the name lets go of it or ends: its end of the connection closes then. */
async function waitForRelease(name: string): Promise<void> {
  await new Promise<void>((resolve) => {
    connect(name)
      .on("error", () => undefined)
      .on("close", () => {
        resolve();
      })
      .resume();
  });
}
