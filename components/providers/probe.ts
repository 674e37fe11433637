import { z } from "zod";
import { SCHEDULERS } from "../../spec/cells.ts";
import { assertReady, readProbe } from "../../converge/probe.ts";
import { type Context, provide } from "./provider.ts";

const schema = z.strictObject({
  cell: z.string(),
  /** Who starts the jobs decides what the cell must have. A state from before there was a choice does not say. */
  scheduler: z.enum(SCHEDULERS).default("pg_cron"),
  finds: z.record(z.string(), z.string()),
});

/** Inputs of CellProbe. `finds` is declared empty; `read` fills it with what is wrong, and what repairs it. */
export type CellProbeInputs = z.infer<typeof schema>;

const addressOf = async ({ cell, scheduler }: CellProbeInputs, context: Context) => ({
  ...(await context.address(cell)),
  scheduler,
});

export const provider = provide<CellProbeInputs>({
  schema,
  fixed: ["cell"],
  id: ({ cell }) => cell,
  // There is nothing to make: it looks, and refuses to go on.
  apply: async (inputs, context) => assertReady(await addressOf(inputs, context)),
  read: async (inputs, context) => ({ ...inputs, finds: await readProbe(await addressOf(inputs, context)) }),
  remove: () => Promise.resolve(),
});
