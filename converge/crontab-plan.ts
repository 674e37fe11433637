import { cronJobName } from "../spec/names.ts";

/** How one job of a merchant shall be. */
export interface DesiredJob {
  readonly schedule: string;
  /** Exactly one CALL: with anything more in the command a COMMIT inside fails (2D000). */
  readonly command: string;
  readonly active: boolean;
}

/** All cron jobs of one merchant, as one set: what is there besides is drift too. */
export interface DesiredCrontab {
  readonly merchant: string;
  readonly database: string;
  readonly jobRole: string;
  readonly suspended: boolean;
  readonly jobs: Readonly<Record<string, DesiredJob>>;
}

/** A row of cron.job. */
export interface CronRow {
  readonly jobid: string;
  readonly jobname: string | null;
  readonly username: string;
  readonly database: string;
  readonly schedule: string;
  readonly command: string;
  readonly active: boolean;
}

/** One change of cron.job. */
export type CrontabStep =
  | {
      readonly kind: "schedule";
      readonly name: string;
      readonly schedule: string;
      readonly command: string;
      readonly active: boolean;
    }
  | { readonly kind: "alter"; readonly jobid: string; readonly database: string; readonly active: boolean }
  | { readonly kind: "unschedule"; readonly jobid: string; readonly label: string };

/**
 * Decides what brings the rows to the crontab. pg_cron knows a job by (name, user): scheduling again changes schedule
 * and command of that row, never `active`, and on 1.4 not the database either (ScheduleCronJob in job_metadata.c), so
 * those two are altered. A plan made again after its steps were done may have such a step left; then it is empty.
 */
export function planCrontab(desired: DesiredCrontab, rows: readonly CronRow[]): readonly CrontabStep[] {
  const steps: CrontabStep[] = [];
  const own = new Set<string>();
  for (const [job, wanted] of Object.entries(desired.jobs)) {
    const name = cronJobName(desired.merchant, job);
    const row = rows.find((r) => r.jobname === name && r.username === desired.jobRole);
    if (row) own.add(row.jobid);
    if (row?.schedule !== wanted.schedule || row.command !== wanted.command) {
      steps.push({ kind: "schedule", name, schedule: wanted.schedule, command: wanted.command, active: wanted.active });
    }
    if (row && (row.database !== desired.database || row.active !== wanted.active)) {
      steps.push({ kind: "alter", jobid: row.jobid, database: desired.database, active: wanted.active });
    }
  }
  for (const row of rows) {
    if (!own.has(row.jobid)) steps.push({ kind: "unschedule", jobid: row.jobid, label: labelOf(desired, row) });
  }
  return steps;
}

/** A job as it was found; `database` and `user` only where they are not the merchant's. */
export interface FoundJob {
  readonly schedule: string;
  readonly command: string;
  readonly active: boolean;
  readonly database?: string;
  readonly user?: string;
}

/** The rows in the form of the desired jobs: ours by the catalogue's name, others by what they are called. */
export function foundJobs(
  desired: Omit<DesiredCrontab, "jobs">,
  rows: readonly CronRow[],
): Readonly<Record<string, FoundJob>> {
  return Object.fromEntries(
    rows.map((row) => [
      labelOf(desired, row),
      {
        schedule: row.schedule,
        command: row.command,
        active: row.active,
        ...(row.database !== desired.database && { database: row.database }),
        ...(row.username !== desired.jobRole && { user: row.username }),
      },
    ]),
  );
}

function labelOf(desired: Omit<DesiredCrontab, "jobs">, row: CronRow): string {
  if (row.jobname === null) return `#${row.jobid}`;
  const prefix = cronJobName(desired.merchant, "");
  const name = row.jobname.startsWith(prefix) ? row.jobname.slice(prefix.length) : row.jobname;
  return row.username === desired.jobRole ? name : `${name}@${row.username}`;
}
