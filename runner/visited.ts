import type { MerchantKnowledge } from "./knowledge.ts";
import type { Registered } from "./look.ts";

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
  const nothing = { seenAt: undefined, failure: undefined, jobs: [], days: new Map(), crontab: [] };
  return {
    known: { ...registered, knownSince: now, ...nothing },
    nextVisit: 0,
    nextDays: 0,
    visiting: false,
    failures: 0,
    retryAt: 0,
  };
}
