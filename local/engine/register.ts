import { create, existing, importExisting, registered, same, update } from "./change.ts";
import { EngineError, refusal } from "./errors.ts";
import { keepOld } from "./property-path.ts";
import { planOnly } from "./provider.ts";
import type { DiffResult, Provider } from "./provider.ts";
import { isSupported } from "./provider-registry.ts";
import { hasProvider } from "./resource-state.ts";
import type { Goal, ResourceState } from "./resource-state.ts";
import type { Run } from "./run.ts";
import { isDefaultProvider, isProviderType, nameOf, urnOfReference } from "./urn.ts";
import { equal, plainProps } from "./values.ts";
import type { Props } from "./values.ts";

/** Brings one resource to what the program asks for; gives back what it is then. One slot is held from check to end. */
export async function registerResource(run: Run, goal: Goal): Promise<ResourceState> {
  if (hasProvider(goal) && !isSupported(goal.type)) {
    run.unsupported.add(goal.type);
    if (!run.dryRun) {
      await run.assertPossible();
      throw refusal(`resources of type ${goal.type}`);
    }
  }
  if (!goal.custom) return bring(run, goal, planOnly);
  return run.slots.run(() => {
    run.stop.assertGoing();
    return bring(run, goal, isProviderType(goal.type) ? planOnly : run.providers.get(goal.provider, goal.type));
  });
}

async function bring(run: Run, goal: Goal, provider: Provider): Promise<ResourceState> {
  const old = run.olds.get(goal.urn);
  const desired = stateOf(goal, old);
  if (goal.importId !== "" && (old?.importID ?? old?.id) !== goal.importId && !old) {
    // What is taken over is then a resource of the state like any other: it may be updated at once (step.go, ImportStep).
    const found = await importExisting(run, desired, provider);
    const inputs = await checkInputs(run, goal, found, provider);
    const diff = await diffResource(run, goal, found, inputs, provider);
    if (diff.changes === "none") return registered(run, found);
    return update(run, found, { ...desired, inputs, created: found.created }, diff, provider);
  }
  if (goal.importId !== "" && old && (old.importID ?? old.id) !== goal.importId) {
    throw refusal(
      `${goal.urn} is in the state with the id ${String(old.id)}, the program imports ${goal.importId}, which would replace it`,
    );
  }
  const inputs = await checkInputs(run, goal, old, provider);
  const next = { ...desired, inputs };
  if (!old) return create(run, next, provider);
  const diff = await diffResource(run, goal, old, inputs, provider);
  if (diff.changes === "none" && !old.initErrors?.length) return same(run, old, next);
  return update(run, old, next, diff, provider);
}

/** The state that the goal describes, before anything is known of its outputs. */
function stateOf(goal: Goal, old: ResourceState | undefined): ResourceState {
  return {
    urn: goal.urn,
    custom: goal.custom,
    type: goal.type,
    parent: goal.parent,
    protect: goal.protect ?? false,
    retainOnDelete: goal.retainOnDelete ?? false,
    dependencies: goal.dependencies,
    propertyDependencies: goal.propertyDependencies,
    provider: goal.provider,
    ignoreChanges: goal.ignoreChanges,
    additionalSecretOutputs: goal.additionalSecretOutputs,
    importID: goal.importId,
    inputs: goal.inputs,
    created: old?.created,
    modified: old?.modified,
  };
}

async function checkInputs(run: Run, goal: Goal, old: ResourceState | undefined, provider: Provider): Promise<Props> {
  const wanted = old ? keepOld(goal.inputs, old.inputs ?? {}, goal.ignoreChanges) : goal.inputs;
  if (!hasProvider(goal)) return wanted;
  const { inputs, failures } = await run.answers.check(provider, goal.urn, old && (old.inputs ?? {}), wanted);
  if (failures.length === 0) return inputs;
  for (const { property, reason } of failures) {
    const what = property === "" ? "" : `property ${property}: `;
    run.events.message(
      "error",
      goal.urn,
      `${goal.type} resource '${nameOf(goal.urn)}' has a problem: ${what}${reason}`,
    );
  }
  // It is told already; the run ends as after any error.
  throw new EngineError("stopped", "a check failed");
}

async function diffResource(
  run: Run,
  goal: Goal,
  old: ResourceState,
  inputs: Props,
  provider: Provider,
): Promise<DiffResult> {
  // In a provider the CLI keeps notes of its own (providers/registry.go, internalKey).
  const olds = Object.fromEntries(Object.entries(old.inputs ?? {}).filter(([key]) => key !== "__internal"));
  const unchanged = (a: Props, b: Props) => equal(plainProps(a), plainProps(b));
  if (!hasProvider(goal)) return { changes: unchanged(olds, inputs) ? "none" : "some", replaces: [] };
  if (providerReplaced(old.provider ?? "", goal.provider)) {
    throw refusal(
      `${goal.urn} moves from the provider ${String(old.provider)} to ${goal.provider}, which would replace it`,
    );
  }
  const diff = await run.answers.diff(provider, existing(old), inputs, goal.ignoreChanges);
  if (diff.replaces.length > 0) {
    throw refusal(`${goal.urn}: a change of ${diff.replaces.join(", ")} would replace it (delete it and make another)`);
  }
  if (diff.changes !== "unknown") return diff;
  return { ...diff, changes: unchanged(old.inputs ?? {}, inputs) ? "none" : "some" };
}

/** Another default provider is an upgrade of the SDK, and a provider of the same name is the same one, whatever its id. */
function providerReplaced(old: string, next: string): boolean {
  const [a, b] = [urnOfReference(old), urnOfReference(next)];
  return a !== b && !(isDefaultProvider(a) && isDefaultProvider(b));
}
