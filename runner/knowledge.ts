import { type Scheduler, SCHEDULERS } from "../spec/cells.ts";
import type { CellLook } from "./look.ts";
import { wallTime } from "./steady-clock.ts";

/** How a job is. Times in milliseconds since 1970, by the server's clock. */
export interface JobHealth {
  readonly job: string;
  readonly enabled: boolean;
  /** Undefined for a job that is run by hand alone. */
  readonly schedule: string | undefined;
  readonly timezone: string;
  readonly dueFrom: number;
  readonly lastSuccessAt: number | undefined;
  readonly lastStatus: string | undefined;
  readonly lastError: string | undefined;
  readonly failuresInRow: number;
  readonly failingSince: number | undefined;
  /** When a run began whose session is gone and that no other has taken up. */
  readonly abandonedSince: number | undefined;
  readonly runningSince: number | undefined;
  readonly overdueSince: number | undefined;
  readonly behind: boolean;
  readonly behindSince: number | undefined;
  readonly quarantined: number;
  readonly quarantinedSince: number | undefined;
  /** The server does not know its time zone, so that nobody can say whether it is overdue. */
  readonly zoneUnknown: boolean;
}

/** A job as pg_cron has it. */
export interface CrontabLine {
  /** `acme:lot_expiry`, or what somebody called it. */
  readonly name: string;
  /** In GMT. */
  readonly schedule: string;
  /** Undefined for one that is not of our form. */
  readonly command: string | undefined;
  readonly active: boolean;
}

/** What a job did on one day (GMT). */
export interface DayOfRuns {
  /** YYYY-MM-DD. */
  readonly day: string;
  readonly runs: number;
  readonly failures: number;
  readonly rows: number;
  /** The longest run. */
  readonly seconds: number;
}

/**
 * What the jobs of a merchant did on each of 30 days, by job, as JSON: of a thousand merchants it is most of what is known,
 * and as objects it would take ten times the memory. It is read for a merchant's own page only.
 */
export type Days = string;

/** Reads the days of a job, the oldest first. */
export function daysOfJob(days: Days, job: string): readonly DayOfRuns[] {
  const all = JSON.parse(days) as Readonly<Record<string, readonly DayRow[]>>;
  return (all[job] ?? []).map(([day, runs, failures, rows, seconds]) => ({ day, runs, failures, rows, seconds }));
}

/** What is known before the first visit. */
export const NO_DAYS: Days = "{}";

/** As the server writes it (look.ts). */
export type DayRow = readonly [day: string, runs: number, failures: number, rows: number, seconds: number];

/** Something that went wrong, and when it did first without a success since. */
export interface Failure {
  readonly message: string;
  readonly since: number;
}

/** What is known of a merchant. `seenAt`, and all times of ours, are of the steady clock (steady-clock.ts). */
export interface MerchantKnowledge {
  readonly merchant: string;
  readonly database: string;
  suspended: boolean;
  scheduler: Scheduler;
  /** Since when it is known to be there. */
  readonly knownSince: number;
  seenAt: number | undefined;
  failure: Failure | undefined;
  jobs: readonly JobHealth[];
  days: Days;
  /** What pg_cron has of it; empty where the runner starts the jobs, and until it was seen. */
  crontab: readonly CrontabLine[];
}

/** What is known of a cell. */
export interface CellKnowledge {
  readonly cell: string;
  readonly knownSince: number;
  seenAt: number | undefined;
  failure: Failure | undefined;
  /** Whether pg_cron's launcher runs; undefined where it need not, and until it was looked for. */
  launcher: boolean | undefined;
  launcherGoneSince: number | undefined;
  lastStartedAt: number | undefined;
  /** What the server's clock is ahead of this machine's, in milliseconds. */
  clockSkew: number;
  /** What it is ahead of our steady clock: by it ages of the server's times are reckoned, however this machine's is set. */
  serverOffset: number;
  /** Since when merchants are being rescued; undefined when none is. */
  rescuingSince: number | undefined;
  /** Connections that are open now. */
  connections: number;
  readonly merchants: Map<string, MerchantKnowledge>;
}

/** All that the service knows. Requests are answered from this and from nothing else. */
export interface Knowledge {
  /** It is from one look, made now, which tells of nothing that the runner saw since when it is so. */
  readonly isOneLook?: boolean;
  readonly cells: ReadonlyMap<string, CellKnowledge>;
  /** Milliseconds after which what was seen of a cell, or of a merchant, is too old to be trusted. */
  readonly tooOld: { readonly cell: number; readonly merchant: number };
}

/** Nothing is known yet. */
export function knowNothing(
  cells: readonly string[],
  every: { readonly cell: number; readonly merchant: number },
  now: number,
): Knowledge {
  const known = cells.map((cell): [string, CellKnowledge] => [
    cell,
    {
      cell,
      knownSince: now,
      seenAt: undefined,
      failure: undefined,
      launcher: undefined,
      launcherGoneSince: undefined,
      lastStartedAt: undefined,
      clockSkew: 0,
      serverOffset: 0,
      rescuingSince: undefined,
      connections: 0,
      merchants: new Map(),
    },
  ]);
  // Four looks at a cell that gave nothing, or three visits.
  return { cells: new Map(known), tooOld: { cell: every.cell * 4, merchant: every.merchant * 3 } };
}

/** Takes what the server's clock said when our steady one was at `askedAt`. */
export function learnClock(
  cell: CellKnowledge,
  { serverTime, askedAt }: Pick<CellLook, "serverTime" | "askedAt">,
): void {
  cell.serverOffset = serverTime - askedAt;
  cell.clockSkew = serverTime - wallTime(askedAt);
}

/** Who starts the jobs of a cell's merchants: one of the two, or while it is given to the other one, both. */
export function schedulersOf({ merchants }: CellKnowledge): readonly Scheduler[] {
  const all = new Set([...merchants.values()].map(({ scheduler }) => scheduler));
  return SCHEDULERS.filter((scheduler) => all.has(scheduler));
}

/**
 * Takes what pg_cron has of each merchant; false when that was not looked at. What it has of one whose jobs the runner
 * starts is drift, and is not shown here.
 */
export function learnCrontabs(
  { merchants }: CellKnowledge,
  crontabs: ReadonlyMap<string, readonly CrontabLine[]> | undefined,
): boolean {
  if (crontabs === undefined) return false;
  for (const known of merchants.values()) {
    known.crontab = known.scheduler === "pg_cron" ? (crontabs.get(known.merchant) ?? []) : [];
  }
  return true;
}

/** The failure after another one that nothing came between. */
export function failedAgain(before: Failure | undefined, message: string, now: number): Failure {
  return { message, since: before?.since ?? now };
}
