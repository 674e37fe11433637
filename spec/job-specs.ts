import type { JobChange, JobChanges } from "./job-changes.ts";
import { type JobDefinition, type JobName, JOBS, type JobSpec } from "./jobs.ts";
import type { Path, Report } from "./report.ts";
import { parseSchedule, type Schedule } from "./schedule.ts";
import { spreadProblem, spreadSchedule } from "./spread.ts";
import { inZone } from "./zones.ts";

/** Whose jobs they are. */
interface Owner {
  readonly id: string;
  readonly path: Path;
  /** `GMT`, or a zone whose local time its daily jobs keep. */
  readonly timezone: string;
}

const NAMES = Object.keys(JOBS) as JobName[];

/** Reports what does not fit together in the changes for all merchants. */
export function reportCommonChanges(report: Report, common: JobChanges): void {
  for (const name of NAMES) {
    const change = common[name];
    if (change !== undefined) checkSpread(report, change, scheduleOf(name, change), change.spread ?? 0);
  }
}

/**
 * The jobs of a merchant: the whole catalogue, with the changes for all merchants and, over them, its own. Reports what
 * its own changes and its time zone do not fit with.
 */
export function jobsOf(
  report: Report,
  owner: Owner,
  common: JobChanges,
  own: JobChanges,
): Readonly<Record<string, JobSpec>> {
  return Object.fromEntries(NAMES.map((name) => [name, jobOf(report, owner, name, common[name], own[name])]));
}

function jobOf(report: Report, owner: Owner, name: JobName, common?: JobChange, own?: JobChange): JobSpec {
  const { procedure, batches }: JobDefinition = JOBS[name];
  const schedule = scheduleOf(name, own, common);
  const minutes = own?.spread ?? common?.spread ?? 0;
  // What comes from the changes for all merchants alone was reported there, once.
  if (own?.schedule !== undefined || own?.spread !== undefined) checkSpread(report, own, schedule, minutes);
  const spread = spreadProblem(schedule, minutes) === undefined ? minutes : 0;
  const due = spreadSchedule(schedule, spread, owner.id, name);
  return {
    name,
    ...keptIn(report, owner, name, due),
    command: `CALL ${procedure}()`,
    enabled: own?.enabled ?? common?.enabled ?? true,
    ...(batches !== undefined && {
      batches: {
        timeLimitSeconds: own?.timeLimitSeconds ?? common?.timeLimitSeconds ?? batches.timeLimitSeconds,
        batchSize: own?.batchSize ?? common?.batchSize ?? batches.batchSize,
        movesMoney: batches.movesMoney ?? false,
        settings: { ...batches.settings, ...common?.settings, ...own?.settings },
      },
    }),
  };
}

/** The schedule that the first of the changes has, or the catalogue. */
function scheduleOf(name: JobName, ...changes: readonly (JobChange | undefined)[]): Schedule {
  const text = changes.find((change) => change?.schedule !== undefined)?.schedule ?? JOBS[name].schedule;
  return parsed(text);
}

function checkSpread(report: Report, change: JobChange, schedule: Schedule, minutes: number): void {
  const problem = spreadProblem(schedule, minutes);
  if (problem === undefined) return;
  const key = change.spread === undefined ? "schedule" : "spread";
  const value = change.spread === undefined ? change.schedule : `${minutes}m`;
  report.add([...change.path, key], value, problem.rule, problem.fix);
}

/** When the job is due, and what pg_cron must be given for that. */
function keptIn(report: Report, { path, timezone }: Owner, name: string, due: string) {
  const inGmt = { schedule: due, due, timezone: "GMT" };
  if (timezone === "GMT") return inGmt;
  const zoned = inZone(parsed(due), timezone);
  if (zoned.kind === "local") return { schedule: zoned.schedule, due, timezone };
  if (zoned.kind === "problem") {
    report.add([...path, "timezone"], timezone, `does not go with the job ${name}: ${zoned.rule}`, zoned.fix);
  }
  return inGmt;
}

/** A schedule that was checked before. */
function parsed(text: string): Schedule {
  const schedule = parseSchedule(text);
  if (schedule.kind === "problem") throw new Error(`${JSON.stringify(text)} is no schedule: ${schedule.reason}`);
  return schedule;
}
