import { z } from "zod";
import { beginDrop, takeBack } from "../../converge/drop.ts";
import { ConvergeError } from "../../converge/errors.ts";
import { type Exported, exportMerchant } from "../../converge/export.ts";
import { forgetOffboarding, type Leaver, readRemains, restJobs, unscheduleAll } from "../../converge/offboard.ts";
import { roleNames } from "../../spec/names.ts";
import { type Context, provide } from "./provider.ts";

const schema = z.strictObject({
  cell: z.string(),
  merchant: z.string(),
  database: z.string(),
  /** The folder, or the address of S3, that gets the export. */
  export: z.string(),
  timeLimitMinutes: z.number(),
  drop: z.boolean(),
  differs: z.record(z.string(), z.string()),
});

/** Inputs of Offboard. `differs` is declared empty; `read` fills it when a drop was begun and not recorded. */
export type OffboardInputs = z.infer<typeof schema>;

/** What was really done: an output, so that no line in a stack file can claim it. */
const recorded = z.object({
  exported: z.object({
    file: z.string(),
    at: z.string(),
    bytes: z.number(),
    sha256: z.string(),
    contents: z.record(
      z.string(),
      z.object({
        rows: z.string(),
        hash: z.string(),
        sums: z.record(z.string(), z.string().nullable()),
        extension: z.string().optional(),
      }),
    ),
  }),
});

const MILLISECONDS_A_MINUTE = 60_000;

const NOT_EXPORTED =
  "nothing of this merchant was exported by an earlier up: take drop and confirm out, run up, look at the export, and " +
  "put them back";

const leaver = async (inputs: OffboardInputs, context: Context): Promise<Leaver> => ({
  merchant: inputs.merchant,
  database: inputs.database,
  ...roleNames(inputs.database),
  address: await context.address(inputs.cell),
});

/** What an earlier step recorded; undefined when it recorded nothing. */
function exportedOf(outputs: unknown): Exported | undefined {
  const parsed = recorded.safeParse(outputs);
  return parsed.success ? parsed.data.exported : undefined;
}

export const provider = provide<OffboardInputs>({
  schema,
  fixed: ["cell", "merchant", "database"],
  id: (inputs) => `${inputs.cell}/${inputs.merchant}`,
  refuseNew: ({ drop }) => (drop ? [{ property: "drop", reason: NOT_EXPORTED }] : []),
  refuse(olds, news) {
    if (olds["drop"] === true && !news.drop) {
      const reason = "the merchant is being dropped, which cannot be taken back: put drop: true and confirm back";
      return [{ property: "drop", reason }];
    }
    if (news.drop && olds["export"] !== news.export) {
      const reason = `was ${JSON.stringify(olds["export"])} when it was exported: put it back, or export again without drop`;
      return [{ property: "export", reason }];
    }
    return [];
  },
  recorded: ["exported"],
  async applyRecorded(inputs, context, { olds }) {
    const target = await leaver(inputs, context);
    const until = Date.now() + inputs.timeLimitMinutes * MILLISECONDS_A_MINUTE;
    const before = exportedOf(olds);
    if (inputs.drop) {
      // `check` refuses this too, but an earlier version may have written the state.
      if (before === undefined) throw new ConvergeError("not_exported", NOT_EXPORTED);
      await beginDrop(target, before, until);
      return { exported: before };
    }
    if ((await readRemains(target)).dropping) await takeBack(target);
    const rest = () => restJobs(target, until);
    const isSame = before !== undefined && olds["export"] === inputs.export;
    if (isSame) await rest();
    const exported = isSame ? before : await exportMerchant(target, inputs.export, until, rest);
    await unscheduleAll(target);
    return { exported };
  },
  async read(inputs, context) {
    const { dropping } = await readRemains(await leaver(inputs, context));
    // A run that was killed has begun to drop it, and the state does not know: the next up goes on, or takes it back.
    const differs = dropping && !inputs.drop ? { registry: "it is marked as being dropped" } : {};
    return { ...inputs, differs };
  },
  remove: async (inputs, context) => forgetOffboarding(await leaver(inputs, context)),
});
