import {
  closeSync,
  constants,
  existsSync,
  fdatasync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFile,
} from "node:fs";
import path from "node:path";
import { promisify } from "node:util";

import { EngineError } from "./errors.ts";
import type { PendingOperation, ResourceState } from "./resource-state.ts";
import type { Outcome, Snapshot } from "./snapshot.ts";

/** Writes all of it, or fails: one write on a disk that is almost full takes a part, and says nothing. */
const writeTo = promisify(writeFile);
const syncData = promisify(fdatasync);

/** One line of the journal: a change of the state since the state file was written. */
export type JournalEntry =
  | { readonly begin: number; readonly operation: PendingOperation }
  | ({ readonly end: number } & Outcome)
  | { readonly put: ResourceState }
  /** What the secrets of later lines are closed with, where the state file does not have it yet. */
  | { readonly salt: string };

/**
 * What a run changed since the state file was written, one JSON line for each change, so that the cost of a step does not grow
 * with the stack. A line is on disk before the operation that it announces is begun; lines that wait are written together.
 * The first line names the state file that the journal belongs to: one left over from before it was written is ignored.
 */
export class Journal {
  readonly #fd: number;
  readonly #file: string;
  #waiting: string[] = [];
  /** The round of writing that is under way or was the last. */
  #last: Promise<void> = Promise.resolve();
  /** The round that will take what waits now. */
  #next: Promise<void> | undefined;

  constructor(file: string, digest: string) {
    mkdirSync(path.dirname(file), { recursive: true });
    this.#file = file;
    // What is written after `restart` comes to the beginning.
    const { O_WRONLY, O_CREAT, O_TRUNC, O_APPEND } = constants;
    this.#fd = openSync(file, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0o600);
    this.#waiting.push(JSON.stringify({ base: digest }));
  }

  /** Adds a line; settled when it is on disk. */
  add(line: string): Promise<void> {
    this.#waiting.push(line);
    this.#next ??= this.#last = this.#last.then(() => this.#write());
    return this.#next;
  }

  /** Removes the journal: the state file now says all. */
  discard(): void {
    closeSync(this.#fd);
    rmSync(this.#file, { force: true });
  }

  /** Starts again from a state file that was just written. */
  restart(digest: string): void {
    ftruncateSync(this.#fd);
    this.#waiting = [JSON.stringify({ base: digest })];
  }

  async #write(): Promise<void> {
    const lines = this.#waiting;
    this.#waiting = [];
    this.#next = undefined;
    await writeTo(this.#fd, `${lines.join("\n")}\n`);
    await syncData(this.#fd);
  }
}

/**
 * The entries of the journal of that state file, oldest first; none if it belongs to another. The last line may be torn by a
 * crash while it was written: nothing that it announces was begun, so it is left out.
 */
export function readJournal(file: string, digest: string): readonly JournalEntry[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, "utf8").split("\n");
  lines.pop();
  try {
    const [first, ...rest] = lines;
    if (first === undefined || (JSON.parse(first) as { base?: string }).base !== digest) return [];
    return rest.map((line) => JSON.parse(line) as JournalEntry);
  } catch (cause) {
    throw new EngineError(
      "state",
      `the journal ${file} is damaged, and what a run changed since the state was written cannot be told from it. Move it away: ` +
        "the state is then that before the run, and `npm run recover` looks for what it has left",
      { cause },
    );
  }
}

/** Makes the changes of the journal in the snapshot; an operation whose end is missing stays pending. */
export function replay(snapshot: Snapshot, entries: readonly JournalEntry[]): void {
  for (const entry of entries) {
    if ("begin" in entry) snapshot.begin(entry.begin, entry.operation);
    else if ("end" in entry) snapshot.end(entry.end, entry);
    else if ("put" in entry) snapshot.put(entry.put);
  }
}
