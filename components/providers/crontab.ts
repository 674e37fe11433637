import { z } from "zod";
import { applyCrontab, deleteCrontab, readCrontab } from "../../converge/crontab.ts";
import { batchFunctionOf } from "../../spec/jobs.ts";
import { roleNames } from "../../spec/names.ts";
import { type Context, provide } from "./provider.ts";

/**
 * A job as it may be found: one that is not ours has no limits, one of ours may have lost them. `batchFunction`,
 * `database` and `user` stand there only when they are not what they follow from: the command and the merchant.
 */
const job = z.strictObject({
  schedule: z.string().optional(),
  command: z.string().optional(),
  active: z.boolean().optional(),
  batchFunction: z.string().optional(),
  batchSize: z.number().int().optional(),
  timeLimitSeconds: z.number().int().optional(),
  database: z.string().optional(),
  user: z.string().optional(),
});

const schema = z.strictObject({
  cell: z.string(),
  merchant: z.string(),
  database: z.string(),
  suspended: z.boolean(),
  registered: z.boolean(),
  jobs: z.record(z.string(), job),
});

/** Inputs of Crontab. `registered` is declared true; `read` finds whether the cell's registry has the merchant. */
export type CrontabInputs = z.infer<typeof schema>;

/** A job as the program declares it: complete. */
const declared = z.record(
  z.string(),
  job.required({
    schedule: true,
    command: true,
    active: true,
    batchSize: true,
    timeLimitSeconds: true,
  }),
);

const owner = (inputs: CrontabInputs, context: Context) => ({
  ...inputs,
  jobRole: roleNames(inputs.database).jobRole,
  address: context.address(inputs.cell),
});

export const provider = provide<CrontabInputs>({
  schema,
  fixed: ["cell", "merchant", "database"],
  id: (inputs) => `${inputs.cell}/${inputs.merchant}`,
  async apply(inputs, context) {
    const jobs = declared.parse(inputs.jobs);
    const engineJobs = Object.fromEntries(
      Object.entries(jobs).map(([name, job]) => [name, { ...job, batchFunction: batchFunctionOf(job.command) }]),
    );
    await applyCrontab({ ...owner(inputs, context), jobs, engineJobs });
  },
  async read(inputs, context) {
    const found = await readCrontab(owner(inputs, context));
    if (found === undefined) return undefined;
    const { registered, suspended } = found;
    const jobs = Object.entries(found.jobs).map(([name, job]) => {
      const { batchFunction, ...limits } = found.engineJobs?.[name] ?? {};
      const odd = batchFunction !== undefined && batchFunction !== batchFunctionOf(inputs.jobs[name]?.command ?? "");
      return [name, { ...limits, ...(odd && { batchFunction }), ...job }] as const;
    });
    return { ...inputs, registered, suspended, jobs: Object.fromEntries(jobs) };
  },
  remove: (inputs, context) => deleteCrontab(owner(inputs, context)),
});
