import { setTimeout as pause } from "node:timers/promises";

/**
 * Does the work at even times until another work is over, and gives what each took in milliseconds. Where one takes longer
 * than that, somebody else would have come meanwhile and waited for the rest of it: those waits count too, or a long
 * one would be one among many short ones.
 */
export async function pacedUntil(
  over: Promise<unknown>,
  everyMs: number,
  work: () => Promise<void>,
): Promise<readonly number[]> {
  let end = Number.POSITIVE_INFINITY;
  const ended = over.finally(() => (end = performance.now()));
  const took: number[] = [];
  while (performance.now() < end) {
    const began = performance.now();
    await work();
    const all = performance.now() - began;
    for (let rest = all; rest > 0; rest -= everyMs) took.push(rest);
    await pause(everyMs - (all % everyMs));
  }
  await ended;
  return took;
}

/** What 99 of 100 stay below. */
export function p99(figures: readonly number[]): number {
  const sorted = figures.toSorted((a, b) => a - b);
  const figure = sorted[Math.ceil(sorted.length * 0.99) - 1];
  if (figure === undefined) throw new Error("nothing was measured");
  return figure;
}

/** The figure in the middle. */
export function medianOf(figures: readonly number[]): number {
  const figure = figures.toSorted((a, b) => a - b)[Math.floor((figures.length - 1) / 2)];
  if (figure === undefined) throw new Error("nothing was measured");
  return figure;
}
