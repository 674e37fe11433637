import type { Task } from "./run.ts";

/**
 * What waits to be called, the longest waiting first, and what is being called. A job stands in it once: a later due time
 * takes the place of an earlier one, since a success does for all before it. So it is never longer than there are jobs.
 */
export class TaskQueue {
  readonly #waiting = new Map<string, Task>();
  readonly #running = new Set<string>();

  get running(): number {
    return this.#running.size;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  add(task: Task): void {
    const key = keyOf(task);
    const before = this.#waiting.get(key);
    if (before === undefined || before.due < task.due) this.#waiting.set(key, task);
  }

  /** Takes the first that may be called now and is not being called; undefined when there is none. */
  take(may: (task: Task) => boolean): Task | undefined {
    for (const [key, task] of this.#waiting) {
      if (this.#running.has(key) || !may(task)) continue;
      this.#waiting.delete(key);
      this.#running.add(key);
      return task;
    }
    return undefined;
  }

  /** Whether a call for the merchant waits. */
  awaits(merchant: string): boolean {
    for (const task of this.#waiting.values()) if (task.merchant === merchant) return true;
    return false;
  }

  /** A call that was taken has ended. */
  done(task: Task): void {
    this.#running.delete(keyOf(task));
  }

  /** A merchant that is there no more. */
  forget(merchant: string): void {
    for (const [key, task] of this.#waiting) if (task.merchant === merchant) this.#waiting.delete(key);
  }
}

function keyOf({ merchant, job }: Task): string {
  return `${merchant}:${job ?? ""}`;
}
