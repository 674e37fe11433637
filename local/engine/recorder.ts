import { Journal, readJournal, replay } from "./journal.ts";
import type { JournalEntry } from "./journal.ts";
import type { Deployment, PendingOperation, ResourceState } from "./resource-state.ts";
import type { Recorder } from "./run.ts";
import type { Crypter } from "./secrets.ts";
import { Snapshot } from "./snapshot.ts";
import type { Outcome } from "./snapshot.ts";
import type { StackFiles } from "./stack-store.ts";
import { openDeployment, readState, sealDeployment, sealState, stateText, writeDurably } from "./state-file.ts";
import type { RawState } from "./state-file.ts";
import { decryptSecrets } from "./secrets.ts";
import type { Json } from "./values.ts";
import { hasSecret, SECRET } from "./values.ts";

/** The state of a stack as its files say it, secrets still closed. */
export interface StoredState {
  readonly raw: RawState;
  readonly digest: string;
  readonly entries: readonly JournalEntry[];
  readonly hasSecrets: boolean;
}

/** Reads the state file and the journal that a run which was killed left beside it. */
export function loadState(files: StackFiles): StoredState | undefined {
  const stored = readState(files.state);
  if (!stored) return undefined;
  const entries = readJournal(files.journal, stored.digest);
  const hasSecrets = stored.raw.hasSecrets || (entries.length > 0 && JSON.stringify(entries).includes(SECRET));
  const salt = stored.raw.salt ?? entries.find((entry) => "salt" in entry)?.salt;
  return { ...stored, raw: { ...stored.raw, salt }, entries, hasSecrets };
}

/** The stored state with its secrets opened, the journal's changes made in it. */
export function openState(stored: StoredState, crypter: Crypter | undefined): Deployment {
  const snapshot = new Snapshot(openDeployment(stored.raw, crypter));
  const entries = crypter
    ? (decryptSecrets(stored.entries as unknown as Json, crypter) as unknown as readonly JournalEntry[])
    : stored.entries;
  replay(snapshot, entries);
  return { resources: snapshot.resources(), pending: snapshot.pending() };
}

/** Opens the stack's crypter when it is first needed: that takes a good part of a second. */
export type CrypterSource = () => Promise<Crypter>;

/** Writes the whole state; gives back what identifies the file. */
export async function saveState(
  files: StackFiles,
  project: string,
  deployment: Deployment,
  salt: string | undefined,
  source: CrypterSource,
): Promise<string> {
  const secret = hasSecret(deployment as unknown as Json);
  const crypter = secret ? await source() : undefined;
  const sealed = sealDeployment(deployment, crypter, crypter?.salt ?? salt, new Date());
  const { text, digest } = stateText(`organization/${project}/${files.stack}`, sealed);
  writeDurably(files.state, text);
  return digest;
}

/** Records a run that changes things: each change goes to the journal, and the whole state is written at the end. */
export class JournalRecorder implements Recorder {
  readonly #files: StackFiles;
  readonly #project: string;
  #salt: string | undefined;
  readonly #source: CrypterSource;
  readonly #journal: Journal;
  #snapshot: Snapshot;
  #changed = false;
  #lastId = 0;

  private constructor(
    files: StackFiles,
    project: string,
    start: Deployment,
    salt: string | undefined,
    source: CrypterSource,
    digest: string,
  ) {
    this.#files = files;
    this.#project = project;
    this.#salt = salt;
    this.#source = source;
    this.#snapshot = new Snapshot(start);
    this.#journal = new Journal(files.journal, digest);
  }

  /**
   * What a killed run left in its journal is written into the state file before a new journal takes its place; so is what
   * the run does not take over of pending operations, though it may change nothing.
   */
  static async open(
    files: StackFiles,
    project: string,
    stored: StoredState,
    start: Deployment,
    source: CrypterSource,
  ): Promise<JournalRecorder> {
    const { salt } = stored.raw;
    const { pending } = openDeployment(stored.raw, undefined);
    const stale = stored.entries.length > 0 || start.pending.length < pending.length;
    const digest = stale ? await saveState(files, project, start, salt, source) : stored.digest;
    return new JournalRecorder(files, project, start, salt, source, digest);
  }

  async during<T extends Outcome>(operation: PendingOperation, work: () => Promise<T>): Promise<T> {
    const id = (this.#lastId += 1);
    this.#changed = true;
    this.#snapshot.begin(id, operation);
    await this.#add({ begin: id, operation });
    let outcome: Outcome = {};
    try {
      const done = await work();
      outcome = done;
      return done;
    } finally {
      // An operation that failed is at its end, whatever its provider has done meanwhile (pkg/engine/journal_snapshot.go).
      this.#snapshot.end(id, outcome);
      await this.#add({ end: id, put: outcome.put, drop: outcome.drop });
    }
  }

  async put(state: ResourceState): Promise<void> {
    this.#changed = true;
    this.#snapshot.put(state);
    await this.#add({ put: state });
  }

  async rebase(resources: readonly ResourceState[]): Promise<void> {
    const deployment = { resources, pending: this.#snapshot.pending() };
    this.#snapshot = new Snapshot(deployment);
    this.#journal.restart(await saveState(this.#files, this.#project, deployment, this.#salt, this.#source));
    this.#changed = false;
  }

  /** Writes the whole state, if anything changed, and ends the journal. */
  async close(): Promise<void> {
    const deployment = { resources: this.#snapshot.resources(), pending: this.#snapshot.pending() };
    if (this.#changed) await saveState(this.#files, this.#project, deployment, this.#salt, this.#source);
    this.#journal.discard();
  }

  async #add(entry: JournalEntry): Promise<void> {
    const crypter = hasSecret(entry as unknown as Json) ? await this.#source() : undefined;
    if (crypter && this.#salt === undefined) {
      // A new stack: without its salt nobody could open the journal of a run that was killed.
      this.#salt = crypter.salt;
      void this.#journal.add(JSON.stringify({ salt: crypter.salt }));
    }
    await this.#journal.add(sealEntry(entry, crypter));
  }
}

function sealEntry(entry: JournalEntry, crypter: Crypter | undefined): string {
  const seal = (state: ResourceState) => sealState(state, crypter);
  if ("begin" in entry) {
    const { begin, operation } = entry;
    return JSON.stringify({ begin, operation: { type: operation.type, resource: seal(operation.resource) } });
  }
  if ("salt" in entry) return JSON.stringify(entry);
  if (!("end" in entry)) return JSON.stringify({ put: seal(entry.put) });
  const { end, put, drop } = entry;
  // What is dropped is known by these alone.
  const gone = drop && { drop: { urn: drop.urn, id: drop.id, delete: drop.delete } };
  return JSON.stringify({ end, ...(put && { put: seal(put) }), ...gone });
}

/** Records nothing: a preview. */
export const noRecorder: Recorder = {
  during: (_operation, work) => work(),
  put: () => Promise.resolve(),
  rebase: () => Promise.resolve(),
};
