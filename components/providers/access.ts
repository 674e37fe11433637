import { z } from "zod";
import { roleNames } from "../../spec/names.ts";
import { applyAccess, deleteAccess, readAccess } from "../../converge/access.ts";
import { type Context, provide } from "./provider.ts";

const schema = z.strictObject({
  cell: z.string(),
  merchant: z.string(),
  /** Its roles are named after it. */
  database: z.string(),
  differs: z.record(z.string(), z.string()),
  /** Left out: the application logs in by a password. */
  appLogin: z.literal("iam").optional(),
});

/** Inputs of Access. `differs` is declared empty; `read` fills it with what was found otherwise. */
export type AccessInputs = z.infer<typeof schema>;

const target = async (inputs: AccessInputs, context: Context) => ({
  merchant: inputs.merchant,
  ...roleNames(inputs.database),
  appLogin: inputs.appLogin,
  address: await context.address(inputs.cell),
});

export const provider = provide<AccessInputs>({
  schema,
  fixed: ["cell", "merchant", "database"],
  id: (inputs) => `${inputs.cell}/${inputs.database}`,
  async apply(inputs, context, { fresh }) {
    await applyAccess(await target(inputs, context), { fresh });
  },
  async read(inputs, context) {
    const differs = await readAccess(await target(inputs, context));
    return differs && { ...inputs, differs };
  },
  remove: async (inputs, context) => deleteAccess(await target(inputs, context)),
});
