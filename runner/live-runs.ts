import type { Task } from "./run.ts";

/** A run under way: its process on the server, and how its connection is cut on this side. */
export interface LiveRun {
  readonly pid: number;
  readonly cut: () => void;
}

/**
 * The runs of a cell that are under way. A server that died, or that another one took the place of, ends no connection:
 * nothing would come from it until the network gives up, many minutes later, and the run would keep its place so long.
 */
export class LiveRuns {
  readonly #runs = new Map<Task, LiveRun>();
  /** Whose process was not on the server at the last look. */
  #missing = new Set<LiveRun>();

  pids(): readonly number[] {
    return [...this.#runs.values()].map(({ pid }) => pid);
  }

  begin(task: Task, run: LiveRun): void {
    this.#runs.set(task, run);
  }

  end(task: Task): void {
    this.#runs.delete(task);
  }

  /**
   * Takes which of them a look did not find on the server, and cuts those that the look before did not find either: one that
   * is just ending is gone from there a moment earlier than from here. Gives how many.
   */
  notFound(pids: readonly number[]): number {
    const missing = [...this.#runs.values()].filter(({ pid }) => pids.includes(pid));
    const dead = missing.filter((run) => this.#missing.has(run));
    this.#missing = new Set(missing);
    for (const run of dead) run.cut();
    return dead.length;
  }
}
