import { setTimeout as pause } from "node:timers/promises";
import type { Logger } from "pino";
import { cancel, type Server } from "./connection.ts";
import { LiveRuns } from "./live-runs.ts";
import { TaskQueue } from "./queue.ts";
import { makeCall, type Outcome, type Task } from "./run.ts";
import { steadyNow } from "./steady-clock.ts";

/** Calls that have ended, and are asked about, which leave their place to the next one; more keep it meanwhile. */
const ENDING_AT_ONCE = 2;

interface CellRunsOptions {
  readonly server: Server;
  /** Calls at once, at most. */
  readonly maxRuns: number;
  readonly log: Logger;
  /** Whether anything may be begun now. */
  readonly isOpen: () => boolean;
  /** Whether this one may be. */
  readonly mayCall: (task: Task) => boolean;
  /** Does work that has a connection, which is counted meanwhile. */
  readonly connected: <T>(work: () => Promise<T>) => Promise<T>;
  readonly ended: (task: Task, outcome: Outcome) => void;
  /** Something went wrong with the connection; true: it is to be called again. */
  readonly failed: (task: Task, error: unknown) => boolean;
}

/** Makes the calls of a cell: what waits, what is under way, and no more at once than it may. */
export class CellRuns {
  readonly #options: CellRunsOptions;
  readonly #queue = new TaskQueue();
  readonly #live = new LiveRuns();
  /** Those whose place is free for the next one. */
  readonly #ending = new Set<Task>();
  #stopping = false;

  constructor(options: CellRunsOptions) {
    this.#options = options;
  }

  add(tasks: Iterable<Task>): void {
    for (const task of tasks) this.#queue.add(task);
  }

  forget(merchant: string): void {
    this.#queue.forget(merchant);
  }

  /** The processes of the calls that are under way, on the server. */
  pids(): readonly number[] {
    return this.#live.pids();
  }

  /** Takes which of these processes the server knows nothing of. */
  gone(pids: readonly number[]): void {
    const dead = this.#live.notFound(pids);
    if (dead > 0) this.#options.log.warn({ runs: dead }, "runs that the server knows nothing of were given up");
  }

  /** Begins what waits, while there is room. */
  start(): void {
    const { isOpen, mayCall, maxRuns } = this.#options;
    while (!this.#stopping && isOpen() && this.#queue.running - this.#ending.size < maxRuns) {
      const task = this.#queue.take(mayCall);
      if (task === undefined) return;
      void this.#run(task);
    }
  }

  /** Begins nothing new, and waits for what runs; what still does after `grace` milliseconds is cancelled. */
  async stop(grace: number): Promise<void> {
    const { server, log } = this.#options;
    this.#stopping = true;
    const end = steadyNow() + grace;
    while (this.#queue.running > 0 && steadyNow() < end) await pause(25);
    const last = steadyNow() + 3_000;
    // All at once: on a server that hangs each would wait for its connection.
    for (const pid of this.#live.pids()) {
      void cancel(server, pid).catch((error: unknown) => {
        log.warn({ err: error }, "a run could not be cancelled; it goes on by itself, or is abandoned");
      });
    }
    while (this.#queue.running > 0 && steadyNow() < last) await pause(25);
  }

  async #run(task: Task): Promise<void> {
    const { server, connected, ended, failed } = this.#options;
    try {
      const outcome = await connected(() =>
        makeCall(server, task, {
          started: (run) => {
            if (this.#stopping) throw new Error("the runner stops");
            this.#live.begin(task, run);
          },
          ended: () => {
            if (this.#ending.size >= ENDING_AT_ONCE) return;
            this.#ending.add(task);
            this.start();
          },
          // When all of a merchant's jobs are due at once, after the last of them.
          looksAtJobs: () => !this.#queue.awaits(task.merchant),
        }),
      );
      ended(task, outcome);
    } catch (error) {
      // Nobody knows how far it came: what it did not do is due again.
      if (failed(task, error)) {
        this.#queue.done(task);
        this.#queue.add(task);
      }
    } finally {
      this.#ending.delete(task);
      this.#live.end(task);
      this.#queue.done(task);
      this.start();
    }
  }
}
