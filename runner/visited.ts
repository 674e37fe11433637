import { type MerchantKnowledge, NO_DAYS } from "./knowledge.ts";
import type { Registered } from "./look.ts";

/** Milliseconds. The last 30 days of a merchant are read that often; each run of today is in them by then. */
export const DAYS_EVERY = 3_600_000;

/** A merchant, and when it is visited. Times are of the steady clock. */
export interface Visited {
  readonly known: MerchantKnowledge;
  nextVisit: number;
  /** When the last 30 days are read again. */
  nextDays: number;
  visiting: boolean;
  failures: number;
  /** Left alone until then, after its database could not be reached. */
  retryAt: number;
}

/** A merchant that the registry has and that is to be visited at once. */
export function notVisited(registered: Registered, now: number): Visited {
  const nothing = { seenAt: undefined, failure: undefined, jobs: [], days: NO_DAYS, crontab: [] };
  return {
    known: { ...registered, knownSince: now, ...nothing },
    nextVisit: 0,
    nextDays: 0,
    visiting: false,
    failures: 0,
    retryAt: 0,
  };
}

/** Leaves a merchant alone until then. It has had its turn: what fails over and over must not stand before the rest. */
export function leaveAlone(visited: Visited, until: number): void {
  visited.retryAt = until;
  visited.nextVisit = Math.max(visited.nextVisit, until);
}

/**
 * The merchant that has waited the longest for its visit; undefined when none waits. Where visits take longer than there
 * is time for, each comes late, and none never.
 */
export function nextToVisit(merchants: Iterable<Visited>, now: number): Visited | undefined {
  let first: Visited | undefined;
  for (const visited of merchants) {
    if (visited.visiting || visited.nextVisit > now || visited.retryAt > now) continue;
    if (first === undefined || visited.nextVisit < first.nextVisit) first = visited;
  }
  return first;
}
