import { z } from "zod";
import { parseSchedule } from "./schedule.ts";
import type { FieldValues, Path, Report } from "./report.ts";
import { didYouMean } from "./suggest.ts";

/** A job that every merchant has. To add one: an entry in `JOBS` and its procedure under `sql/merchant/`. */
export interface JobDefinition {
  /** When it runs, in pg_cron's grammar and the server's `cron.timezone` (GMT). A merchant may have its own. */
  readonly schedule: string;
  /** The procedure that pg_cron calls, with its schema. It takes no argument; `<procedure>_batch` does its work. */
  readonly procedure: string;
  /** How long one run may take, in seconds. A run ends between two batches; the next one goes on. */
  readonly timeLimitSeconds: number;
  /** How many items one batch, which is one transaction, takes. */
  readonly batchSize: number;
  /** How old the last success may be, in seconds, before the job counts as unhealthy: its period and some patience. */
  readonly maxAgeSeconds: number;
}

/** The catalogue. Names match `^[a-z][a-z0-9_]{0,30}$`, so that `<merchant>:<job>` fits into a name of PostgreSQL. */
export const JOBS = {
  ops_cleanup: {
    schedule: "*/5 * * * *",
    procedure: "app.cleanup_expired_operations",
    timeLimitSeconds: 240,
    batchSize: 2000,
    maxAgeSeconds: 1800,
  },
  lot_expiry: {
    schedule: "0 2 * * *",
    procedure: "app.expire_lots",
    timeLimitSeconds: 3600,
    batchSize: 2000,
    maxAgeSeconds: 93_600,
  },
  idempotency_cleanup: {
    schedule: "0 3 * * *",
    procedure: "app.cleanup_idempotency",
    timeLimitSeconds: 3600,
    batchSize: 2000,
    maxAgeSeconds: 93_600,
  },
} as const satisfies Record<string, JobDefinition>;

export type JobName = keyof typeof JOBS;

/** A job of one merchant, with what the merchant's line changes in it. */
export interface JobSpec {
  readonly name: string;
  readonly schedule: string;
  /** Exactly one CALL: a procedure that commits fails with 2D000 when anything stands beside it. */
  readonly command: string;
  /** False keeps the job in the crontab and does not run it. A suspended merchant's jobs do not run either. */
  readonly enabled: boolean;
  readonly timeLimitSeconds: number;
  readonly batchSize: number;
  readonly maxAgeSeconds: number;
}

const OVERRIDES = {
  schedule: {
    schema: z.string(),
    rule: "must be a schedule, as text",
    fix: 'write it in quotes, for example "30 2 * * *"',
  },
  enabled: { schema: z.boolean(), rule: "must be true or false", fix: "write true or false, without quotes" },
} as const;

/** The function that does one batch of the job with this command: `<procedure>_batch`, with its schema. */
export function batchFunctionOf(command: string): string {
  return `${command.replace(/^CALL (.*)\(\)$/, "$1")}_batch`;
}

/** The jobs of a merchant: the whole catalogue, with the overrides of its `jobs` map. */
export function parseJobs(report: Report, path: Path, raw: unknown): Readonly<Record<string, JobSpec>> {
  const names = Object.keys(JOBS) as JobName[];
  const overrides = new Map<string, FieldValues<typeof OVERRIDES>>();
  const written = raw === undefined ? [] : report.readMap(path, raw, "jobs to changes", EXAMPLE);
  for (const [name, override] of written) {
    const at: Path = [...path, name];
    if (!Object.hasOwn(JOBS, name)) {
      report.add(at, undefined, "is not a job of the catalogue (spec/jobs.ts)", didYouMean(name, names));
      continue;
    }
    const values = report.readFields(at, override, OVERRIDES, '{schedule: "30 2 * * *"}');
    if (values === undefined) continue;
    if (values.schedule !== undefined) checkSchedule(report, [...at, "schedule"], values.schedule);
    overrides.set(name, values);
  }
  return Object.fromEntries(names.map((name) => [name, jobSpec(name, overrides.get(name))]));
}

const EXAMPLE = '{lot_expiry: {schedule: "30 2 * * *"}}';

function jobSpec(name: JobName, override?: FieldValues<typeof OVERRIDES>): JobSpec {
  const { schedule, procedure, ...limits } = JOBS[name];
  return {
    name,
    schedule: override?.schedule ?? schedule,
    command: `CALL ${procedure}()`,
    enabled: override?.enabled ?? true,
    ...limits,
  };
}

function checkSchedule(report: Report, path: Path, text: string): void {
  const schedule = parseSchedule(text);
  if (schedule.kind !== "problem") return;
  const where = schedule.field === undefined ? "" : `the ${schedule.field}: `;
  report.add(path, text, `is not a schedule that pg_cron runs: ${where}${schedule.reason}`, schedule.fix);
}
