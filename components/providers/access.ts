import { z } from "zod";
import { roleNames } from "../../spec/names.ts";
import { applyAccess, deleteAccess, readAccess } from "../../converge/access.ts";
import { applyAppSecret, readAppSecret, retireAppSecret } from "../../converge/aws/app-secret.ts";
import { type Context, type Props, provide } from "./provider.ts";

const secretForm = z.strictObject({ region: z.string(), name: z.string(), kmsKeyId: z.string().optional() });

const schema = z.strictObject({
  cell: z.string(),
  merchant: z.string(),
  /** Its roles are named after it. */
  database: z.string(),
  differs: z.record(z.string(), z.string()),
  /** Left out: the application logs in by a password. */
  appLogin: z.literal("iam").optional(),
  /** Where that password is. Left out: nobody here sees or changes it. */
  secret: secretForm.optional(),
});

/** Inputs of Access. `differs` is declared empty; `read` fills it with what was found otherwise. */
export type AccessInputs = z.infer<typeof schema>;

const target = async ({ cell, merchant, database, appLogin }: AccessInputs, context: Context) => ({
  merchant,
  database,
  ...roleNames(database),
  appLogin,
  address: await context.address(cell),
});

export const provider = provide<AccessInputs>({
  schema,
  fixed: ["cell", "merchant", "database"],
  id: (inputs) => `${inputs.cell}/${inputs.database}`,
  async apply(inputs, context, { fresh, olds }) {
    const { secret } = inputs;
    const to = await target(inputs, context);
    await applyAccess(to, { fresh });
    if (secret) await applyAppSecret({ ...to, secret });
    const before = secretBefore(olds);
    const isSame = before?.region === secret?.region && before?.name === secret?.name;
    if (before && !isSame) await retireAppSecret({ ...to, secret: before });
  },
  async read(inputs, context) {
    const { secret } = inputs;
    const to = await target(inputs, context);
    const differs = await readAccess(to);
    if (differs === undefined || secret === undefined) return differs && { ...inputs, differs };
    // The server lets nobody in as a role that is not as it shall be.
    const asking = differs[to.appRole] === undefined;
    return { ...inputs, differs: { ...differs, ...(await readAppSecret({ ...to, secret }, { asking })) } };
  },
  async remove(inputs, context) {
    const to = await target(inputs, context);
    await deleteAccess(to);
    if (inputs.secret) await retireAppSecret({ ...to, secret: inputs.secret });
  },
});

/** The secret that the state remembers, if it does in a form that this version knows. */
function secretBefore(olds: Props) {
  return secretForm.safeParse(olds["secret"]).data;
}
