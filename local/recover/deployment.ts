import { z } from "zod";

import { RecoverError } from "./errors.ts";

const properties = z.record(z.string(), z.unknown());

/** A resource of the state (sdk/go/common/apitype/core.go, ResourceV3); what is not named here is kept as it is. */
const resource = z.looseObject({
  urn: z.string(),
  custom: z.boolean(),
  type: z.string(),
  id: z.string().optional(),
  parent: z.string().optional(),
  provider: z.string().optional(),
  dependencies: z.array(z.string()).nullish(),
  delete: z.boolean().optional(),
  inputs: properties.optional(),
  outputs: properties.optional(),
});

const operation = z.looseObject({ type: z.string(), resource });

const exported = z.looseObject({
  version: z.literal(3),
  deployment: z.looseObject({
    resources: z.array(resource).nullish(),
    pending_operations: z.array(operation).nullish(),
  }),
});

export type Resource = Readonly<z.infer<typeof resource>>;
/** An operation that was begun and whose end the state does not know. */
export type PendingOperation = Readonly<z.infer<typeof operation>>;
/** What `stack export` prints. */
export type Exported = z.infer<typeof exported>;

/** The part of the state that a recovery changes. */
export interface Deployment {
  readonly resources: readonly Resource[];
  readonly pending: readonly PendingOperation[];
}

/** Reads what `stack export` printed. Throws `state`. */
export function parseExported(text: string): Exported {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (cause) {
    throw new RecoverError("state", "stack export printed no JSON: is the engine a Pulumi CLI?", { cause });
  }
  const parsed = exported.safeParse(raw);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
  throw new RecoverError(
    "state",
    `the state is not of the form that this version reads (${problems.slice(0, 3).join("; ")}): ` +
      "if a newer Pulumi CLI wrote it, repair it by hand as docs/recover.md says",
  );
}

/** The resources and pending operations of an export. */
export function deploymentOf({ deployment }: Exported): Deployment {
  return { resources: deployment.resources ?? [], pending: deployment.pending_operations ?? [] };
}

/** The export with other resources and pending operations, everything else as it was. */
export function withDeployment(before: Exported, { resources, pending }: Deployment): Exported {
  return {
    ...before,
    deployment: { ...before.deployment, resources: [...resources], pending_operations: [...pending] },
  };
}

const rosterSchema = z.record(
  z.string(),
  z.object({ cell: z.string(), database: z.string(), offboard: z.string().optional() }),
);

/** Where the state remembers the merchants: the resource itself, and what it says of each. */
export interface RosterInState {
  readonly resource: Resource;
  readonly merchants: z.infer<typeof rosterSchema>;
}

const ROSTER_TYPE = "pulumi-nodejs:dynamic/merchant-jobs:Roster";

/** The roster of the state; undefined before the first `up` has written one. Throws `state`. */
export function rosterIn(resources: readonly Resource[]): RosterInState | undefined {
  const found = resources.find((one) => one.type === ROSTER_TYPE && one.delete !== true);
  if (found === undefined) return undefined;
  const merchants = rosterSchema.safeParse(found.inputs?.["merchants"]);
  if (merchants.success) return { resource: found, merchants: merchants.data };
  throw new RecoverError(
    "state",
    `the roster ${found.urn} does not map merchants to cell and database: was it edited?`,
  );
}

/** Puts a resource after all that it needs and before the first that needs it: the CLI refuses any other order. */
export function insertResource(resources: readonly Resource[], added: Resource): readonly Resource[] {
  const at = resources.findIndex(
    (one) =>
      one.parent === added.urn ||
      (one.dependencies ?? []).includes(added.urn) ||
      one.provider?.startsWith(`${added.urn}::`) === true,
  );
  return at < 0 ? [...resources, added] : [...resources.slice(0, at), added, ...resources.slice(at)];
}
