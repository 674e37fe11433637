// What both schedulers are put through at one full minute: merchants side by side, and the rows of app.job_runs that each
// of them must have afterwards, whoever started the runs.
import { spreadSchedule } from "../../spec/spread.ts";
import { parseSchedule } from "../../spec/schedule.ts";
import { offsetAt } from "../../spec/local-time.ts";
import type { JobsDatabase } from "../jobs/database.ts";
import { fillLedger } from "../jobs/ledger-by-pg-cron.ts";
import { makeTestJobs } from "../jobs/test-jobs.ts";
import { makeWaiting } from "../jobs/waiting-jobs.ts";

/** A row of app.job_runs, but for its number, its process and its times. */
export interface RunRow {
  readonly job: string;
  /** The scheduler's, or `manual`. */
  readonly by: "scheduler" | "manual";
  readonly status: string;
  readonly due: string | null;
  readonly affected: number;
  readonly batches: number;
  readonly quarantined: number;
  readonly sqlstate: string | null;
}

/** The minute in which everything comes due. */
export interface Minute {
  readonly time: number;
  /** Its schedule, of every day, this many minutes later. */
  schedule(minutesLater?: number): string;
}

/** One merchant, and what shall come of it. */
export interface Case {
  /** In words. */
  readonly what: string;
  /** Its line in the stack file. */
  line(minute: Minute, merchant: string): Readonly<Record<string, unknown>>;
  /** Before it is scheduled. */
  prepare?(db: JobsDatabase): Promise<void>;
  /** After it is scheduled, still before the minute. */
  then?(db: JobsDatabase): Promise<void>;
  rows(minute: Minute): readonly RunRow[];
}

const MINUTE = 60_000;
const DAY_MINUTES = 24 * 60;
const NEW_YORK = "America/New_York";
const HALF_A_DAY = 12 * 60;

/** The minute that begins then. */
export function minuteAt(time: number): Minute {
  return {
    time,
    schedule(minutesLater = 0) {
      const minutes = minutesOfDay(time / MINUTE + minutesLater);
      return `${minutes % 60} ${Math.floor(minutes / 60)} * * *`;
    },
  };
}

function minutesOfDay(minutes: number): number {
  return ((minutes % DAY_MINUTES) + DAY_MINUTES) % DAY_MINUTES;
}

/** Jobs that come due half a day away from the minute, but for those that are given. */
function jobs(minute: Minute, given: Readonly<Record<string, object>>) {
  const still = { schedule: minute.schedule(HALF_A_DAY) };
  return {
    jobs: { ops_cleanup: still, lot_expiry: still, idempotency_cleanup: still, history_cleanup: still, ...given },
  };
}

function row(job: string, minute: Minute, more: Partial<RunRow> = {}): RunRow {
  const due = new Date(minute.time).toISOString();
  const nothing = { affected: 0, batches: 1, quarantined: 0, sqlstate: null };
  return { job, by: "scheduler", status: "succeeded", due, ...nothing, ...more };
}

/** Lets a job's batches do what the test's do. */
async function replaceBatches(db: JobsDatabase, batchFunction: string, kind: string): Promise<void> {
  await db.rows(
    `create or replace function app.${batchFunction}(
       p_now timestamptz, p_limit bigint, p_cursor jsonb, p_items text[], p_settings jsonb
     ) returns app.batch_result language plpgsql as $$ begin
       return app.test_batch(p_now, p_limit, p_cursor, p_items, '{"kind": "${kind}"}');
     end $$`,
  );
}

export const CASES: Readonly<Record<string, Case>> = {
  ledger: {
    what: "overridden schedules, batch sizes and a switched off job have their effects on the ledger, and their rows",
    line: (minute) => {
      const now = { schedule: minute.schedule() };
      const off = { ...now, enabled: false };
      return jobs(minute, {
        lot_expiry: { ...now, batchSize: 1 },
        ops_cleanup: now,
        idempotency_cleanup: now,
        history_cleanup: off,
      });
    },
    async prepare(db) {
      await fillLedger(db);
      await db.dueLots(2);
    },
    rows: (minute) => [
      row("idempotency_cleanup", minute, { affected: 1 }),
      // One batch a lot, and one that finds no more.
      row("lot_expiry", minute, { affected: 3, batches: 4 }),
      row("ops_cleanup", minute, { affected: 1 }),
    ],
  },
  suspended: {
    what: "a suspended merchant's jobs rest",
    line: (minute) => ({ suspended: true, ...jobs(minute, { lot_expiry: { schedule: minute.schedule() } }) }),
    rows: () => [],
  },
  spread: {
    what: "a spread job is due in its own minute, and in no other",
    line(minute, merchant) {
      const schedule = parseSchedule(minute.schedule());
      if (schedule.kind !== "cron") throw new Error("no schedule");
      const [later = "", hour = ""] = spreadSchedule(schedule, 45, merchant, "lot_expiry").split(" ");
      const offset = minutesOfDay(Number(hour) * 60 + Number(later) - minute.time / MINUTE);
      const spread = { schedule: minute.schedule(-offset), spread: "45m" };
      // Without its spread this one would be due now.
      const other = { schedule: minute.schedule(), spread: "45m" };
      const isMoved = spreadSchedule(schedule, 45, merchant, "ops_cleanup") !== minute.schedule();
      return jobs(minute, { lot_expiry: spread, ...(isMoved && { ops_cleanup: other }) });
    },
    rows: (minute) => [row("lot_expiry", minute)],
  },
  zone: {
    what: "a job in a time zone is due by local time, and not when the crontab fires for another offset of the zone",
    line(minute) {
      const offset = offsetAt(NEW_YORK, minute.time) / MINUTE;
      const other = -5 * 60 - 4 * 60 - offset;
      return {
        timezone: NEW_YORK,
        ...jobs(minute, {
          lot_expiry: { schedule: minute.schedule(offset) },
          idempotency_cleanup: { schedule: minute.schedule(other) },
        }),
      };
    },
    rows: (minute) => [row("lot_expiry", minute)],
  },
  runs: {
    what: "a run that fails, one with an item that cannot be done, and one that meets another that is still alive",
    line: (minute) => {
      const now = { schedule: minute.schedule() };
      return jobs(minute, { lot_expiry: now, history_cleanup: now, idempotency_cleanup: now });
    },
    async prepare(db) {
      await makeTestJobs(db);
      await replaceBatches(db, "expire_lots_batch", "failing");
      await replaceBatches(db, "cleanup_history_batch", "poisoned");
      await makeWaiting(db, ["idempotency_cleanup"]);
    },
    async then(db) {
      const { client } = await db.session();
      // It ends with its session.
      void client.query("call app.cleanup_idempotency()").catch(() => undefined);
    },
    rows: (minute) => [
      row("history_cleanup", minute, { affected: 2, batches: 3, quarantined: 1 }),
      row("idempotency_cleanup", minute, { by: "manual", status: "running", due: null, batches: 0 }),
      row("idempotency_cleanup", minute, { status: "skipped", batches: 0 }),
      row("lot_expiry", minute, { status: "failed", affected: 1, sqlstate: "53100" }),
    ],
  },
  missed: {
    what: "what came due while nobody was there to start it is done once, late",
    line: (minute) =>
      jobs(minute, {
        lot_expiry: { schedule: minute.schedule(-3 * 60) },
        ops_cleanup: { schedule: minute.schedule(-2 * 60), enabled: false },
        // What catches up under pg_cron; the runner does it by itself.
        catch_up: { schedule: minute.schedule() },
      }),
    async prepare(db) {
      await db.dueLots(2);
    },
    async then(db) {
      await db.rows("update app.jobs set due_from = now() - interval '26 hours'");
    },
    rows: (minute) => {
      const missed = (minutes: number) => minuteAt(minute.time + minutes * MINUTE);
      return [
        row("history_cleanup", missed(-HALF_A_DAY)),
        row("idempotency_cleanup", missed(-HALF_A_DAY)),
        row("lot_expiry", missed(-3 * 60), { affected: 2 }),
      ];
    },
  },
};

/** The rows of a merchant, and who started the runs. */
export async function readRows(db: JobsDatabase): Promise<readonly (RunRow & { readonly scheduler: string })[]> {
  const rows = await db.rows<RunRow & { readonly scheduler: string }>(
    `select j.name as job, case when r.scheduler = 'manual' then 'manual' else 'scheduler' end as by, r.scheduler,
       r.status, to_char(r.due at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as due,
       r.affected_rows::int as affected, r.batches::int as batches, r.quarantined::int as quarantined,
       r.error_sqlstate as sqlstate
     from app.job_runs as r join app.jobs as j using (job_id) order by j.name, r.run_id`,
  );
  return rows;
}
