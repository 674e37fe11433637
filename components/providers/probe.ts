import { z } from "zod";
import { assertReady, readProbe } from "../../converge/probe.ts";
import { provide } from "./provider.ts";

const schema = z.strictObject({
  cell: z.string(),
  finds: z.record(z.string(), z.string()),
});

/** Inputs of CellProbe. `finds` is declared empty; `read` fills it with what is wrong, and what repairs it. */
export type CellProbeInputs = z.infer<typeof schema>;

export const provider = provide<CellProbeInputs>({
  schema,
  fixed: ["cell"],
  id: ({ cell }) => cell,
  // There is nothing to make: it looks, and refuses to go on.
  apply: async ({ cell }, context) => assertReady(await context.address(cell)),
  read: async (inputs, context) => ({ ...inputs, finds: await readProbe(await context.address(inputs.cell)) }),
  remove: () => Promise.resolve(),
});
