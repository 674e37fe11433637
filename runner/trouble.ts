import { isKnownZone } from "../spec/local-time.ts";
import type { CellKnowledge, JobHealth, Knowledge, MerchantKnowledge } from "./knowledge.ts";
import { missedSince } from "./missed.ts";
import { runbookOf } from "./runbook.ts";
import { wallTime } from "./steady-clock.ts";

/**
 * What can be wrong. `overdue`: a due time was missed. `behind`: a run was out of time and left work over. `abandoned`: a
 * run's session is gone and no other has taken it up. `away`: it cannot be reached. `unseen`: what is known is too old.
 * `zone_unknown`: nobody can say when a job is due.
 */
export type TroubleKind =
  | "launcher_gone"
  | "away"
  | "unseen"
  | "clock_skew"
  | "overdue"
  | "zone_unknown"
  | "failing"
  | "behind"
  | "abandoned"
  | "quarantined";

/** One thing that is wrong: of a cell, of a merchant, or of one of its jobs. */
export interface Trouble {
  readonly kind: TroubleKind;
  /** Something did not run, or nobody knows whether it did: health is 503. */
  readonly severe: boolean;
  readonly cell: string;
  readonly merchant?: string;
  readonly job?: string;
  /**
   * Milliseconds since 1970, of a job by the server's clock, of all else by the one here; undefined where nobody can say.
   */
  readonly since: number | undefined;
  /** How long that is ago, in milliseconds, by the same clock. */
  readonly age: number | undefined;
  /** What it is about and what is wrong with it, without the time. */
  readonly text: string;
  /** What to do, or where to look. */
  readonly next: string;
  /** Where the runbook speaks of it, relative to the repository. */
  readonly runbook: string;
}

/** `since` of what is about no job is of our steady clock. */
type Found = Omit<Trouble, "runbook" | "age">;

/** Milliseconds. Below it, clocks that are set over a network may differ. */
const MOST_SKEW = 60_000;

/** All that is wrong, what did not run first, then the oldest first. */
export function findTroubles(knowledge: Knowledge, now: number): readonly Trouble[] {
  const troubles = [...knowledge.cells.values()].flatMap((cell) =>
    [
      ...troublesOfCell(cell, knowledge, now),
      ...[...cell.merchants.values()].flatMap((merchant) => troublesOfMerchant(cell, merchant, knowledge, now)),
    ].map((found) => ({ ...found, ...datesOf(found, cell, knowledge, now) })),
  );
  return troubles
    .toSorted((one, other) => Number(other.severe) - Number(one.severe) || (other.age ?? 0) - (one.age ?? 0))
    .map((trouble) => ({ ...trouble, runbook: runbookOf(trouble.kind, scopeOf(trouble)) }));
}

function datesOf(
  { since, job }: Found,
  { serverOffset }: CellKnowledge,
  { isOneLook = false }: Knowledge,
  now: number,
): Pick<Trouble, "since" | "age"> {
  if (since === undefined) return { since, age: undefined };
  if (job !== undefined) return { since, age: now + serverOffset - since };
  return isOneLook ? { since: undefined, age: undefined } : { since: wallTime(since), age: now - since };
}

function scopeOf({ merchant, job }: Found) {
  return job !== undefined ? "job" : merchant !== undefined ? "merchant" : "cell";
}

function troublesOfCell(cell: CellKnowledge, { tooOld }: Knowledge, now: number): readonly Found[] {
  const found: Found[] = [];
  const name = cell.cell;
  const isOld = now - (cell.seenAt ?? cell.knownSince) > tooOld.cell;
  if (cell.failure) {
    found.push({
      kind: "away",
      severe: isOld,
      cell: name,
      since: cell.failure.since,
      // Most messages begin with the cell.
      text: `cell ${name} cannot be looked at: ${cell.failure.message.replace(new RegExp(`^cell ${name}[:,] `), "")}`,
      next: "do what the message says; what is known of its merchants is from before",
    });
  } else if (isOld) {
    found.push({
      kind: "unseen",
      severe: true,
      cell: name,
      since: cell.seenAt ?? cell.knownSince,
      text: `cell ${name} has not answered for too long`,
      next: "is its server overloaded or stopped? select * from pg_stat_activity",
    });
  }
  if (cell.launcherGoneSince !== undefined) {
    found.push({
      kind: "launcher_gone",
      severe: false,
      cell: name,
      since: cell.launcherGoneSince,
      text: `the launcher of pg_cron does not run in cell ${name}`,
      next: "the first statement of the entry names the cause and the repair; npm run drift does too",
    });
  }
  if (Math.abs(cell.clockSkew) > MOST_SKEW && cell.seenAt !== undefined) {
    const seconds = Math.round(cell.clockSkew / 1000);
    found.push({
      kind: "clock_skew",
      severe: false,
      cell: name,
      since: undefined,
      text: `the clock of cell ${name} differs from the one here: it is ${Math.abs(seconds)} s ${seconds > 0 ? "ahead" : "behind"}`,
      next: "jobs are due by the server's clock: set whichever of the two is wrong",
    });
  }
  return found;
}

function troublesOfMerchant(
  cell: CellKnowledge,
  known: MerchantKnowledge,
  { tooOld }: Knowledge,
  now: number,
): readonly Found[] {
  const { merchant } = known;
  const about = { cell: cell.cell, merchant };
  const isOld = now - (known.seenAt ?? known.knownSince) > tooOld.merchant;
  const found = known.jobs
    .filter(({ enabled }) => enabled)
    .flatMap((job) => troublesOfJob({ ...about, job: job.job }, known, job));
  // Of a cell that is away nothing new is known of any merchant: that is said once.
  if (cell.failure) return found;
  if (known.failure) {
    const text = `the database of ${merchant} cannot be looked at: ${known.failure.message}`;
    const next = "see the message; npm run pulumi -- up --refresh brings back what it needs";
    return [{ kind: "away", severe: isOld, ...about, since: known.failure.since, text, next }, ...found];
  }
  if (!isOld) return found;
  const text = `${merchant} has not been visited for too long`;
  const next = "see the log of the runner";
  return [{ kind: "unseen", severe: true, ...about, since: known.seenAt ?? known.knownSince, text, next }, ...found];
}

type About = Pick<Trouble, "cell"> & { readonly merchant: string; readonly job: string };

function troublesOfJob(about: About, { database, scheduler }: MerchantKnowledge, job: JobHealth): readonly Found[] {
  const name = `${about.job} of ${about.merchant}`;
  const runs = `in ${database}: select * from app.recent_runs where job = '${about.job}'`;
  const found: Found[] = [];
  const byHand = `in ${database}: call app.run_job('${about.job}')`;
  if (job.overdueSince !== undefined) {
    const missed = scheduler === "runner" ? `is its runner there (docs/runner.md)? ${byHand}` : byHand;
    const next = job.failuresInRow > 0 ? runs : missed;
    const text = job.runningSince === undefined ? `${name} is overdue` : `${name} is overdue, and running now`;
    // A run that began in time and takes long is no job that did not run.
    const runsInTime = job.runningSince !== undefined && job.runningSince >= job.overdueSince;
    found.push({ kind: "overdue", severe: !runsInTime, ...about, since: missedSince(job), text, next });
  }
  const stranger = strangerToZone(job, scheduler);
  if (stranger !== undefined) {
    const text = `${name} has a time zone that is not known to ${stranger}: ${job.timezone}`;
    const next = `nobody can say when it is due; by hand, ${byHand}`;
    found.push({ kind: "zone_unknown", severe: true, ...about, since: undefined, text, next });
  }
  if (job.abandonedSince !== undefined) {
    const text = `${name} was abandoned in the middle of a run`;
    const next = "the next run goes on; the server's log says what ended the session";
    found.push({ kind: "abandoned", severe: false, ...about, since: job.abandonedSince, text, next });
  }
  if (job.failuresInRow > 0) {
    const times = job.failuresInRow === 1 ? "failed" : `failed ${job.failuresInRow} times in a row`;
    const text = `${name} ${times}: ${job.lastError ?? "without an error"}`;
    found.push({ kind: "failing", severe: false, ...about, since: job.failingSince, text, next: runs });
  }
  if (job.behind) {
    const text = `${name} is behind: its time limit ended it before its work`;
    const next = "it goes on by itself; if that lasts, raise jobs.<job>.timeLimitSeconds";
    found.push({ kind: "behind", severe: false, ...about, since: job.behindSince, text, next });
  }
  if (job.quarantined > 0) {
    const text = `${name} has items in quarantine: ${job.quarantined}, which it could not do`;
    const next = `in ${database}: select * from app.job_quarantine`;
    found.push({ kind: "quarantined", severe: false, ...about, since: job.quarantinedSince, text, next });
  }
  return found;
}

/** Who does not know a job's time zone, of those who must. The runner reckons with its own data. */
function strangerToZone(job: JobHealth, scheduler: MerchantKnowledge["scheduler"]): string | undefined {
  if (job.zoneUnknown) return "the server";
  return scheduler === "runner" && !isKnownZone(job.timezone) ? "the runner" : undefined;
}

/** What there is, and what of it was seen. */
export interface Tally {
  readonly merchants: number;
  readonly suspended: number;
  /** Enabled jobs of the merchants. */
  readonly jobs: number;
  /** Cells, and merchants, of which nothing is known yet and nothing has failed. */
  readonly unknown: number;
}

/** Counts the fleet. */
function tally({ cells }: Knowledge): Tally {
  const merchants = [...cells.values()].flatMap((cell) => [...cell.merchants.values()]);
  const unseen = (one: CellKnowledge | MerchantKnowledge) => one.seenAt === undefined && one.failure === undefined;
  return {
    merchants: merchants.length,
    suspended: merchants.filter(({ suspended }) => suspended).length,
    jobs: merchants.reduce((sum, { jobs }) => sum + jobs.filter(({ enabled }) => enabled).length, 0),
    unknown: [...cells.values(), ...merchants].filter(unseen).length,
  };
}

/** The answer to "did everything run?". */
export interface Verdict {
  readonly status: "ok" | "trouble" | "failed" | "starting";
  /** One sentence for a person. */
  readonly answer: string;
}

/** Judges the fleet by what is known. `failed`: something did not run, or nobody knows whether it did. */
export function judge(knowledge: Knowledge, troubles: readonly Trouble[]): Verdict {
  const { merchants, suspended, jobs, unknown } = tally(knowledge);
  const first = troubles[0];
  if (first !== undefined) {
    const others = troubles.length - 1;
    const more = others === 0 ? "" : `; and ${count(others, "more trouble")}`;
    const answer = `${capital(first.text)}${sinceWhen(first)}${more}`;
    return { status: first.severe ? "failed" : "trouble", answer: answer.endsWith("?") ? answer : `${answer}.` };
  }
  if (unknown > 0) return { status: "starting", answer: `Not everything has been looked at yet: ${unknown} to go.` };
  if (merchants === 0) return { status: "ok", answer: "There is no merchant yet." };
  const rest = suspended === 0 ? "" : `; ${count(suspended, "merchant")} ${suspended === 1 ? "is" : "are"} suspended`;
  const active = count(merchants - suspended, "merchant");
  return { status: "ok", answer: `All ${count(jobs, "job")} of ${active} ran on time${rest}.` };
}

/** Since when something is, and for how long, to go after it; nothing where nobody can say. */
export function sinceWhen({ since, age: howLong }: Pick<Trouble, "since" | "age">): string {
  return since === undefined || howLong === undefined ? "" : `, since ${time(since)} (${age(howLong)})`;
}

/** A number with its noun. */
export function count(number: number, noun: string): string {
  return `${number.toLocaleString("en-US")} ${noun}${number === 1 ? "" : "s"}`;
}

/** An instant for a person, in GMT. */
export function time(instant: number): string {
  return `${new Date(instant).toISOString().slice(0, 16).replace("T", " ")} GMT`;
}

/** How long something is, for a person. */
export function age(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 120 * 60) return `${Math.round(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

/** A name stays as it is written. */
function capital(text: string): string {
  return text.replace(/^(?:cell|the) /, (word) => word.slice(0, 1).toUpperCase() + word.slice(1));
}
