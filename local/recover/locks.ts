import { existsSync, readdirSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { z } from "zod";
import { RecoverError } from "./errors.ts";

const schema = z.object({ pid: z.number(), username: z.string(), hostname: z.string(), timestamp: z.string() });

/** Milliseconds: far more than a lock of some hundred bytes takes to be written. */
const WRITING = 1_000;

/** A lock of a file backend (pkg/backend/diy/lock.go). Without a holder it is torn: its run was killed as it began. */
export interface Lock {
  readonly file: string;
  readonly holder: z.infer<typeof schema> | undefined;
}

/** The locks in a stack's folder of locks. One that cannot be read gets a moment to be written to its end. */
export async function readLocks(folder: string): Promise<readonly Lock[]> {
  const first = readAll(folder);
  if (first.every(({ holder }) => holder !== undefined)) return first;
  await pause(WRITING);
  return readAll(folder);
}

function readAll(folder: string): readonly Lock[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith(".json"))
    .map((name) => ({ file: path.join(folder, name), holder: readHolder(path.join(folder, name)) }));
}

function readHolder(file: string): Lock["holder"] {
  try {
    return schema.safeParse(JSON.parse(readFileSync(file, "utf8"))).data;
  } catch {
    return undefined;
  }
}

/**
 * Throws `running` unless every lock is that of a process of this machine that is gone. `cancel` of the Pulumi CLI
 * takes any lock away, also that of a run that goes on.
 */
export function assertDead(locks: readonly Lock[], isAlive: (pid: number) => boolean, here = hostname()): void {
  for (const { file, holder } of locks) {
    if (holder === undefined) continue;
    const who = `process ${String(holder.pid)} of ${holder.username}@${holder.hostname} since ${holder.timestamp}`;
    if (holder.hostname !== here) {
      throw new RecoverError(
        "running",
        `the stack is locked by ${who}, on another machine: run recover there, or, when that run is surely dead, clear the lock with: cancel --yes`,
      );
    }
    if (isAlive(holder.pid)) {
      throw new RecoverError(
        "running",
        `the stack is locked by ${who}, which is running: wait until it has ended; ` +
          `if another program got that number since (ps -p ${String(holder.pid)} shows it), delete ${file}, then run recover again`,
      );
    }
  }
}
