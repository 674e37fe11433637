import { z } from "zod";
import { type JobDefinition, type JobName, JOBS, type JobSettings } from "./jobs.ts";
import type { Field, FieldValues, Path, Report } from "./report.ts";
import { parseSchedule } from "./schedule.ts";
import { parseSpread } from "./spread.ts";
import { didYouMean } from "./suggest.ts";

/** What is changed in a job of the catalogue; undefined what is not. Each value is checked by itself. */
export interface JobChange {
  /** Where it stands. */
  readonly path: Path;
  readonly schedule?: string | undefined;
  readonly enabled?: boolean | undefined;
  /** In minutes. */
  readonly spread?: number | undefined;
  readonly timeLimitSeconds?: number | undefined;
  readonly batchSize?: number | undefined;
  readonly settings?: JobSettings;
}

/** Changes by job. */
export type JobChanges = Readonly<Partial<Record<JobName, JobChange>>>;

const CHANGES = {
  schedule: {
    about: "when it is due, in pg_cron's grammar; in GMT, or in the merchant's zone",
    default: "the catalogue's",
    schema: z.string(),
    rule: "must be a schedule, as text",
    fix: 'write it in quotes, for example "30 2 * * *"',
  },
  enabled: {
    about: "`false`: this job rests",
    default: "true",
    schema: z.boolean(),
    rule: "must be true or false",
    fix: "write true or false, without quotes",
  },
  spread: {
    about: "such as `45m` or `2h`: each merchant has its own minute in it ([schedules](#schedules))",
    default: "0m",
    schema: z.string().refine((text) => parseSpread(text) !== undefined),
    rule: "must be minutes or hours, at most a day, as text",
    fix: "write it as 45m or 2h, or as 0m for no spread",
  },
} as const;

/** What can be changed in a job that has batches; `catch_up`, which has none, takes the first three. */
export const BATCH_CHANGES = {
  ...CHANGES,
  timeLimitSeconds: {
    about: "a run that is older begins no further batch; the next one goes on",
    default: "the catalogue's",
    schema: z.int().min(1).max(86_400),
    rule: "must be a whole number of seconds from 1 to 86400",
    fix: "write the number without quotes, or leave it out for what the catalogue says",
  },
  batchSize: {
    about: "items that one transaction takes",
    default: "the catalogue's",
    schema: z.int().min(1).max(100_000),
    rule: "must be a whole number of items from 1 to 100000",
    fix: "write the number without quotes, or leave it out for what the catalogue says",
  },
  settings: {
    about: "what its batch function is told: `retentionDays` of the jobs that delete, how long they keep it",
    default: "the catalogue's",
    schema: z.unknown(),
    rule: "must map settings to values",
    fix: "leave it out",
  },
} as const;

const DAYS = {
  about: "a number of days that the job's batch function is told",
  schema: z.int().min(1).max(3650),
  rule: "must be a whole number of days from 1 to 3650",
  fix: "write the number without quotes, or leave it out for what the catalogue says",
} as const satisfies Field;

const EXAMPLE = '{lot_expiry: {schedule: "30 2 * * *"}}';

/** Reads a map of changes in the jobs of the catalogue: those for all merchants, or one merchant's. */
export function parseJobChanges(report: Report, path: Path, raw: unknown): JobChanges {
  const written = raw === undefined ? [] : report.readMap(path, raw, "jobs to changes", EXAMPLE);
  const changes = written.map(([name, change]): readonly [string, JobChange | undefined] => {
    const at: Path = [...path, name];
    if (isJobName(name)) return [name, parseChange(report, at, change, JOBS[name])];
    report.add(at, undefined, "is not a job of the catalogue (spec/jobs.ts)", didYouMean(name, Object.keys(JOBS)));
    return [name, undefined];
  });
  return Object.fromEntries(changes.filter(([, change]) => change !== undefined));
}

function isJobName(name: string): name is JobName {
  return Object.hasOwn(JOBS, name);
}

function parseChange(report: Report, path: Path, raw: unknown, job: JobDefinition): JobChange | undefined {
  const example = '{schedule: "30 2 * * *"}';
  const fields: Partial<FieldValues<typeof BATCH_CHANGES>> | undefined =
    job.batches === undefined
      ? report.readFields(path, raw, CHANGES, example)
      : report.readFields(path, raw, BATCH_CHANGES, example);
  if (fields === undefined) return undefined;
  const { schedule, spread, settings, ...rest } = fields;
  return {
    path,
    ...rest,
    schedule: schedule === undefined ? undefined : checkedSchedule(report, [...path, "schedule"], schedule),
    spread: spread === undefined ? undefined : parseSpread(spread),
    ...(settings !== undefined && { settings: parseSettings(report, [...path, "settings"], settings, job) }),
  };
}

function parseSettings(report: Report, path: Path, raw: unknown, { batches }: JobDefinition): JobSettings {
  const known = Object.entries(batches?.settings ?? {});
  const fields = Object.fromEntries(known.map(([name]) => [name, DAYS]));
  const example = known.map(([name, days]) => `${name}: ${days}`).join(", ");
  const values = report.readFields(path, raw, fields, `{${example}}`) ?? {};
  return Object.fromEntries(
    Object.entries(values).flatMap(([name, days]) => (days === undefined ? [] : [[name, days] as const])),
  );
}

function checkedSchedule(report: Report, path: Path, text: string): string | undefined {
  const schedule = parseSchedule(text);
  if (schedule.kind !== "problem") return text;
  const where = schedule.field === undefined ? "" : `the ${schedule.field}: `;
  report.add(path, text, `is not a schedule that pg_cron runs: ${where}${schedule.reason}`, schedule.fix);
  return undefined;
}
