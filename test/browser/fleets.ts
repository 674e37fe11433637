import {
  type CrontabLine,
  type DayRow,
  type JobHealth,
  knowNothing,
  type Knowledge,
  type MerchantKnowledge,
} from "../../runner/knowledge.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** Jobs as every merchant has them. */
const JOBS: readonly (readonly [job: string, schedule: string])[] = [
  ["history_cleanup", "30 3 * * *"],
  ["idempotency_cleanup", "0 3 * * *"],
  ["lot_expiry", "0 2 * * *"],
  ["ops_cleanup", "*/5 * * * *"],
];

/** What is wrong with some merchants of a fleet, by their number. */
export type Planted = Readonly<Record<number, Partial<JobHealth>>>;

/** A fleet of so many merchants, of which every 97th is suspended. */
export function fleetOf(howMany: number, now: number, planted: Planted = {}): Knowledge {
  const names = howMany > 100 ? ["eu-1", "eu-2"] : ["home"];
  const knowledge = knowNothing(names, { cell: 15_000, merchant: 300_000 }, now - DAY);
  for (const cell of knowledge.cells.values()) {
    cell.seenAt = now - 4_000;
    cell.launcher = true;
    cell.lastStartedAt = now - 60_000;
  }
  for (let i = 0; i < howMany; i += 1) {
    const cell = knowledge.cells.get(names[i % names.length]!)!;
    const merchant = merchantOf(i, now, planted[i]);
    cell.merchants.set(merchant.merchant, merchant);
  }
  return knowledge;
}

function merchantOf(i: number, now: number, planted: Partial<JobHealth> | undefined): MerchantKnowledge {
  const merchant = `merchant${String(i).padStart(4, "0")}`;
  const suspended = i % 97 === 96;
  const scheduler = i % 2 === 0 ? "pg_cron" : "runner";
  return {
    merchant,
    database: `merchant_${merchant}`,
    suspended,
    scheduler,
    crontab: scheduler === "runner" ? [] : crontabOf(merchant, !suspended),
    knownSince: now - DAY,
    seenAt: now - (i % 280) * 1000,
    failure: undefined,
    jobs: JOBS.map(([job, schedule]) => ({
      ...healthy(job, schedule, now),
      enabled: !suspended,
      ...(job === "lot_expiry" ? planted : {}),
    })),
    days: JSON.stringify(Object.fromEntries(JOBS.map(([job]) => [job, daysOf(i, job, now, planted !== undefined)]))),
  };
}

function crontabOf(merchant: string, active: boolean): readonly CrontabLine[] {
  const jobs = JOBS.map(([job, schedule]) => ({
    name: `${merchant}:${job}`,
    schedule,
    command: `CALL app.${job}()`,
    active,
  }));
  return [...jobs, { name: "report", schedule: "0 1 * * *", command: undefined, active: true }];
}

function healthy(job: string, schedule: string, now: number): JobHealth {
  return {
    job,
    enabled: true,
    schedule,
    timezone: "GMT",
    dueFrom: now - 30 * DAY,
    lastSuccessAt: now - 7 * HOUR,
    lastStatus: "succeeded",
    lastError: undefined,
    failuresInRow: 0,
    failingSince: undefined,
    abandonedSince: undefined,
    runningSince: undefined,
    overdueSince: undefined,
    behind: false,
    behindSince: undefined,
    quarantined: 0,
    quarantinedSince: undefined,
    zoneUnknown: false,
  };
}

function daysOf(seed: number, job: string, now: number, withFailures: boolean): readonly DayRow[] {
  return Array.from({ length: 30 }, (_, i) => [
    new Date(now - (29 - i) * DAY).toISOString().slice(0, 10),
    job === "ops_cleanup" ? 288 : 1,
    withFailures && i > 26 ? 1 : 0,
    ((seed + 3) * (i + 7) * 37) % 900,
    0.1 + (((seed + 5) * (i + 3)) % 40) / 10,
  ]);
}
