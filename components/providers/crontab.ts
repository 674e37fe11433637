import { z } from "zod";
import { applyCrontab, deleteCrontab, readCrontab } from "../../converge/crontab.ts";
import type { FoundJob } from "../../converge/crontab-plan.ts";
import type { EngineJob, FoundEngineJob } from "../../converge/engine-jobs.ts";
import { batchFunctionOf } from "../../spec/jobs.ts";
import { SCHEDULERS } from "../../spec/cells.ts";
import { roleNames } from "../../spec/names.ts";
import { assertCellReady } from "./cell-ready.ts";
import { type Context, provide } from "./provider.ts";

/**
 * A job as it may be found: one that is not ours has no limits, one of ours may have lost them. `active` is for a merchant
 * that is not suspended, so that a pause is one line of a preview; `resumed` stands there when a job is active though its
 * merchant is suspended. What follows from something else stands there only when it does not: `due` and `enabled` (as
 * pg_cron's `schedule` and `active`), `dueSchedule` (as `due` is parsed), `batchFunction` (of the command), `database` and
 * `user` (the merchant's), `timezone` when it is not GMT, and `movesMoney` when it does.
 */
const job = z.strictObject({
  schedule: z.string().optional(),
  command: z.string().optional(),
  active: z.boolean().optional(),
  resumed: z.literal(true).optional(),
  due: z.string().optional(),
  dueSchedule: z.string().optional(),
  timezone: z.string().optional(),
  enabled: z.boolean().optional(),
  batchFunction: z.string().optional(),
  batchSize: z.number().int().optional(),
  timeLimitSeconds: z.number().int().optional(),
  movesMoney: z.boolean().optional(),
  settings: z.record(z.string(), z.unknown()).optional(),
  database: z.string().optional(),
  user: z.string().optional(),
});

const schema = z.strictObject({
  cell: z.string(),
  merchant: z.string(),
  database: z.string(),
  suspended: z.boolean(),
  /** Who starts the jobs. A state from before there was a choice does not say. */
  scheduler: z.enum(SCHEDULERS).default("pg_cron"),
  registered: z.boolean(),
  jobs: z.record(z.string(), job),
});

/** Inputs of Crontab. `registered` is declared true; `read` finds whether the cell's registry has the merchant. */
export type CrontabInputs = z.infer<typeof schema>;

/** A job as the program declares it: complete. One without batches has no row in app.jobs. */
const declared = z.record(z.string(), job.required({ schedule: true, command: true, active: true }));

/** The rows of app.jobs that the jobs need. */
function engineJobs(jobs: z.infer<typeof declared>): Readonly<Record<string, EngineJob>> {
  const rows = Object.entries(jobs).flatMap(([name, job]) => {
    const { command, active, schedule, batchSize, timeLimitSeconds, due = schedule, timezone = "GMT" } = job;
    if (batchSize === undefined || timeLimitSeconds === undefined) return [];
    const { settings = {}, movesMoney = false } = job;
    const row = { batchFunction: batchFunctionOf(command), batchSize, timeLimitSeconds, movesMoney, settings };
    return [[name, { ...row, due, timezone, enabled: active }] as const];
  });
  return Object.fromEntries(rows);
}

/** A row of app.jobs in the form of the inputs, beside the job of pg_cron that was found. */
function foundEngineJob(row: FoundEngineJob | undefined, job: FoundJob, command: string | undefined) {
  if (row === undefined) return {};
  const { batchFunction, batchSize, timeLimitSeconds, movesMoney, due, dueSchedule, timezone, enabled, settings } = row;
  return {
    batchSize,
    timeLimitSeconds,
    ...(movesMoney && { movesMoney }),
    ...(due !== job.schedule && { due: due ?? "" }),
    ...(dueSchedule !== undefined && { dueSchedule }),
    ...(timezone !== "GMT" && { timezone }),
    ...(enabled !== job.active && { enabled }),
    ...(Object.keys(settings).length > 0 && { settings }),
    ...(batchFunction !== batchFunctionOf(command ?? "") && { batchFunction }),
  };
}

/** What is declared of a job that pg_cron has. */
const OF_PG_CRON: ReadonlySet<string> = new Set(["schedule", "command", "active"]);

/**
 * What is declared of the row of app.jobs: where that cannot be looked at, nothing is said of it. Another resource says why.
 */
function unseenEngineJob(declared: CrontabInputs["jobs"][string] | undefined) {
  return Object.fromEntries(Object.entries(declared ?? {}).filter(([key]) => !OF_PG_CRON.has(key)));
}

/**
 * What the runner starts, in the form of pg_cron's jobs: a row of app.jobs is all there is of a job, and catch-up, which
 * has none, is the runner's own business. A job that pg_cron has all the same shows under its user.
 */
function runnerJobs(
  inputs: CrontabInputs,
  rows: Readonly<Record<string, FoundEngineJob>> | undefined,
): Readonly<Record<string, FoundJob>> {
  if (rows === undefined) {
    const seen = Object.entries(inputs.jobs).map(([name, { schedule = "", command = "", active = true }]) => {
      return [name, { schedule, command, active: active && !inputs.suspended }] as const;
    });
    return Object.fromEntries(seen);
  }
  return Object.fromEntries(
    Object.entries(inputs.jobs).flatMap(([name, { schedule = "", command, batchSize, due, active = true }]) => {
      if (command === undefined) return [];
      if (batchSize === undefined) return [[name, { schedule, command, active: active && !inputs.suspended }] as const];
      const row = rows[name];
      if (row === undefined) return [];
      return [
        [name, { schedule: due === undefined ? (row.due ?? "") : schedule, command, active: row.enabled }] as const,
      ];
    }),
  );
}

/** Jobs that pg_cron has of a merchant whose jobs the runner starts. */
function strayJobs({ database }: CrontabInputs, jobs: Readonly<Record<string, FoundJob>>) {
  const { jobRole } = roleNames(database);
  const named = Object.entries(jobs).map(
    ([name, job]) => [job.user === undefined ? `${name}@${jobRole}` : name, job] as const,
  );
  return Object.fromEntries(named);
}

/** A job of pg_cron in the form of the inputs. */
function foundCronJob(job: FoundJob, inputs: CrontabInputs, name: string) {
  const declared = inputs.jobs[name]?.active;
  if (!inputs.suspended || declared === undefined) return job;
  return { ...job, active: declared, ...(job.active && { resumed: true }) };
}

const owner = async (inputs: CrontabInputs, context: Context) => ({
  ...inputs,
  jobRole: roleNames(inputs.database).jobRole,
  address: { ...(await context.address(inputs.cell)), scheduler: inputs.scheduler },
});

export const provider = provide<CrontabInputs>({
  schema,
  fixed: ["cell", "merchant", "database"],
  id: (inputs) => `${inputs.cell}/${inputs.merchant}`,
  async apply(inputs, context) {
    const written = Object.entries(declared.parse(inputs.jobs));
    const jobs = Object.fromEntries(
      written.map(([name, job]) => [name, { ...job, active: job.active && !inputs.suspended }]),
    );
    const target = { ...(await owner(inputs, context)), jobs, engineJobs: engineJobs(jobs) };
    await assertCellReady(target.address);
    await applyCrontab(target);
  },
  async read(inputs, context) {
    const found = await readCrontab(await owner(inputs, context));
    if (found === undefined) return undefined;
    const { registered, suspended, scheduler = inputs.scheduler } = found;
    const isRunner = inputs.scheduler === "runner";
    const jobs = Object.entries(isRunner ? runnerJobs(inputs, found.engineJobs) : found.jobs).map(([name, job]) => {
      const row =
        found.engineJobs === undefined
          ? unseenEngineJob(inputs.jobs[name])
          : foundEngineJob(found.engineJobs[name], job, inputs.jobs[name]?.command);
      return [name, { ...row, ...foundCronJob(job, inputs, name) }] as const;
    });
    // Without a job in the crontab catch-up would run it all the same.
    const left = Object.entries(found.engineJobs ?? {})
      .filter(([name, { enabled }]) => enabled && (isRunner || !(name in found.jobs)) && !(name in inputs.jobs))
      .map(([name]) => [name, { enabled: true }] as const);
    const stray = isRunner ? strayJobs(inputs, found.jobs) : {};
    return {
      ...inputs,
      registered,
      suspended,
      scheduler,
      jobs: { ...Object.fromEntries([...jobs, ...left]), ...stray },
    };
  },
  remove: async (inputs, context) => deleteCrontab(await owner(inputs, context)),
});
