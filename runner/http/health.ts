import { type CellKnowledge, type Knowledge, type MerchantKnowledge, schedulersOf } from "../knowledge.ts";
import { missedSince } from "../missed.ts";
import { wallTime } from "../steady-clock.ts";
import { findTroubles, judge, type Trouble, type Verdict } from "../trouble.ts";

/** What `/health` is asked about: everything, one cell, or one merchant. */
export interface HealthQuery {
  readonly cell?: string | undefined;
  readonly merchant?: string | undefined;
}

/** The answer of `/health`: its status code, and its body. */
export interface HealthAnswer {
  readonly code: 200 | 404 | 503;
  readonly body: unknown;
}

/** Answers from what is known, with the age of each part of it. */
export function answerHealth(knowledge: Knowledge, query: HealthQuery, now: number): HealthAnswer {
  const asked = narrow(knowledge, query);
  if (asked === undefined) {
    return { code: 404, body: { error: "there is no such cell or merchant, or it has not been seen yet" } };
  }
  const troubles = findTroubles(asked, now);
  const verdict = judge(asked, troubles);
  return {
    code: codeOf(verdict),
    body: {
      ...verdict,
      troubles: troubles.map(troubleAnswer),
      cells: [...asked.cells.values()].map((cell) => cellAnswer(cell, now)),
    },
  };
}

/** The status code of a verdict. */
export function codeOf({ status }: Verdict): 200 | 503 {
  return status === "failed" || status === "starting" ? 503 : 200;
}

/** The part of what is known that a question is about; undefined when there is none. */
function narrow(knowledge: Knowledge, { cell, merchant }: HealthQuery): Knowledge | undefined {
  const cells = [...knowledge.cells.values()]
    .filter((known) => cell === undefined || known.cell === cell)
    .filter((known) => merchant === undefined || known.merchants.has(merchant))
    .map((known): [string, CellKnowledge] => [
      known.cell,
      merchant === undefined
        ? known
        : { ...known, merchants: new Map([...known.merchants].filter(([name]) => name === merchant)) },
    ]);
  return cells.length === 0 ? undefined : { ...knowledge, cells: new Map(cells) };
}

function troubleAnswer({ since, age, ...trouble }: Trouble): unknown {
  return { ...trouble, since: iso(since), forSeconds: age === undefined ? null : seconds(age) };
}

function cellAnswer(cell: CellKnowledge, now: number): unknown {
  return {
    cell: cell.cell,
    ageSeconds: ageOf(cell.seenAt, now),
    failure: cell.failure?.message ?? null,
    schedulers: schedulersOf(cell),
    launcher: cell.launcher ?? null,
    launcherGoneSince: isoOfOurs(cell.launcherGoneSince),
    newestPgCronRun: iso(cell.lastStartedAt),
    rescuingSince: isoOfOurs(cell.rescuingSince),
    clockSkewSeconds: seconds(cell.clockSkew),
    connections: cell.connections,
    merchants: [...cell.merchants.values()].map((merchant) => merchantAnswer(merchant, now)),
  };
}

function merchantAnswer(known: MerchantKnowledge, now: number): unknown {
  return {
    merchant: known.merchant,
    database: known.database,
    scheduler: known.scheduler,
    suspended: known.suspended,
    ageSeconds: ageOf(known.seenAt, now),
    failure: known.failure?.message ?? null,
    jobs: known.jobs.map((job) => ({
      job: job.job,
      enabled: job.enabled,
      schedule: job.schedule ?? null,
      timezone: job.timezone,
      lastSuccess: iso(job.lastSuccessAt),
      lastStatus: job.lastStatus ?? null,
      lastError: job.lastError ?? null,
      overdueSince: iso(missedSince(job)),
      failingSince: iso(job.failingSince),
      failuresInRow: job.failuresInRow,
      abandonedSince: iso(job.abandonedSince),
      runningSince: iso(job.runningSince),
      behind: job.behind,
      quarantined: job.quarantined,
    })),
  };
}

function iso(instant: number | undefined): string | null {
  return instant === undefined ? null : new Date(instant).toISOString();
}

/** Of an instant of the steady clock. */
function isoOfOurs(instant: number | undefined): string | null {
  return instant === undefined ? null : iso(wallTime(instant));
}

function seconds(milliseconds: number): number {
  return Math.round(milliseconds / 100) / 10;
}

function ageOf(seenAt: number | undefined, now: number): number | null {
  return seenAt === undefined ? null : seconds(now - seenAt);
}
