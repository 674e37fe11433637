/** Milliseconds. */
const FIRST = 1_000;
const LONGEST = 60_000;

/**
 * How long to leave something alone that failed `failures` times in a row: 1 s, 2 s, 4 s, at most a minute, and of that a
 * random half, so that many who failed at one time do not come back at one time. `random` is from 0 to 1.
 */
export function backoff(failures: number, random = Math.random()): number {
  const whole = Math.min(LONGEST, FIRST * 2 ** Math.min(failures - 1, 16));
  return whole / 2 + (whole / 2) * random;
}
