import { randomUUID } from "node:crypto";

import { EngineError } from "./errors.ts";
import type { Step } from "./events.ts";
import { PartialFailure } from "./provider.ts";
import type { DiffResult, Existing, Provider } from "./provider.ts";
import { hasProvider } from "./resource-state.ts";
import type { PendingOperation, ResourceState } from "./resource-state.ts";
import { takeStep } from "./run.ts";
import type { Run } from "./run.ts";
import { isProviderType } from "./urn.ts";
import { asSecret, equal, isSecret, UNKNOWN } from "./values.ts";
import type { Props } from "./values.ts";

/** What a provider is told of a resource that exists. */
export function existing(state: ResourceState): Existing {
  return { urn: state.urn, id: state.id ?? "", inputs: state.inputs ?? {}, outputs: state.outputs ?? {} };
}

/** The outputs as they are kept: secret where the input of that name is, or where the program says so (step_executor.go). */
function withOutputs(state: ResourceState, outputs: Props | undefined): ResourceState {
  const secret = (key: string) =>
    state.additionalSecretOutputs?.includes(key) === true || isSecret(state.inputs?.[key]);
  const kept = Object.entries(outputs ?? {}).map(([k, v]): [string, Props[string]] => [k, secret(k) ? asSecret(v) : v]);
  return { ...state, outputs: outputs && Object.fromEntries(kept) };
}

/** Makes the resource. */
export async function create(run: Run, next: ResourceState, provider: Provider): Promise<ResourceState> {
  const isProvider = isProviderType(next.type);
  const inputs = next.inputs ?? {};
  await mayChange(run);
  return changed(run, { op: "create", urn: next.urn, new: next }, async () => {
    if (run.dryRun) {
      const planned = isProvider ? inputs : next.custom ? provider.plannedOutputs(undefined, inputs) : undefined;
      return withOutputs({ ...next, id: isProvider ? UNKNOWN : undefined }, planned);
    }
    const stamped = { ...next, created: run.now(), modified: run.now() };
    return recorded(
      run,
      { type: "creating", resource: next },
      async () => {
        if (isProvider) return withOutputs({ ...stamped, id: randomUUID() }, inputs);
        if (!next.custom) return stamped;
        const { id, outputs } = await provider.create(next.urn, inputs);
        return withOutputs({ ...stamped, id }, outputs);
      },
      ({ id, outputs, reasons }) => withOutputs({ ...stamped, id, initErrors: reasons }, outputs),
    );
  });
}

/** Leaves the resource as it is; what the state says of it may still change. */
export async function same(run: Run, old: ResourceState, next: ResourceState): Promise<ResourceState> {
  // An input that became a secret makes the output of that name one, though nothing else changed (step_executor.go).
  const kept = withOutputs({ ...next, id: old.id, created: old.created, modified: old.modified }, old.outputs);
  await takeStep(run, { op: "same", urn: next.urn, old, new: kept }, async () => {
    if (!run.dryRun && mustWrite(old, kept)) await run.recorder.put(kept);
    return { op: "same", urn: next.urn, old, new: kept };
  });
  return registered(run, kept);
}

/** Whether a resource that did not change differs in what the state says of it (pkg/backend/snapshot.go, mustWrite). */
function mustWrite(old: ResourceState, next: ResourceState): boolean {
  const told = (s: ResourceState): Props => {
    const kept = { ...s, dependencies: [...(s.dependencies ?? [])].sort() };
    return Object.fromEntries(Object.entries(kept).filter(([k, v]) => !ADVISORY.includes(k) && !isAbsent(v))) as Props;
  };
  return !equal(told(old), told(next));
}

const ADVISORY: readonly string[] = ["created", "modified", "initErrors"];

function isAbsent(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return value === undefined || value === false || value === "";
  return Object.keys(value).length === 0;
}

/** Changes the resource in place. */
export async function update(
  run: Run,
  old: ResourceState,
  next: ResourceState,
  diff: DiffResult,
  provider: Provider,
): Promise<ResourceState> {
  const kept = { ...next, id: old.id };
  const inputs = next.inputs ?? {};
  const own = next.custom ? inputs : old.outputs;
  await mayChange(run);
  return changed(run, { op: "update", urn: next.urn, old, new: kept, detailed: diff.detailed }, async () => {
    if (run.dryRun) return withOutputs(kept, hasProvider(next) ? provider.plannedOutputs(existing(old), inputs) : own);
    const made = { ...kept, outputs: own, modified: next.custom ? run.now() : old.modified };
    return recorded(
      run,
      { type: "updating", resource: kept },
      async () => {
        if (!hasProvider(next)) return made;
        return withOutputs(made, await provider.update(existing(old), inputs, next.ignoreChanges ?? []));
      },
      // What exists was not made with the new inputs (pkg/engine/update.go, OnResourceStepPost; pulumi/pulumi#2011).
      ({ outputs, reasons }) => ({ ...withOutputs(made, outputs), inputs: old.inputs, initErrors: reasons }),
    );
  });
}

/** Takes over what exists under the id that the program gives. */
export async function importExisting(run: Run, desired: ResourceState, provider: Provider): Promise<ResourceState> {
  const { urn, type, importID: id = "" } = desired;
  await mayChange(run);
  const step = await takeStep(run, { op: "import", urn, new: desired }, async () => {
    const read = async () => {
      const found = await provider.read({ urn, id, inputs: {}, outputs: {} });
      if (found.id === "") throw new EngineError("resource", `resource '${id}' does not exist`);
      if (!found.inputs) throw new EngineError("resource", `the provider of ${type} does not support importing`);
      const stamped = { ...desired, id: found.id, inputs: found.inputs, created: run.now(), modified: run.now() };
      return { put: withOutputs(stamped, found.outputs) };
    };
    const { put } = await (run.dryRun ? read() : run.recorder.during({ type: "importing", resource: desired }, read));
    return { op: "import" as const, urn, new: put };
  });
  return step.new;
}

/** A step whose work gives the resource as it is then, and makes it known to the rest of the run. */
async function changed(run: Run, step: Step, work: () => Promise<ResourceState>): Promise<ResourceState> {
  const done = await takeStep(run, step, async () => ({ ...step, new: await work() }));
  return registered(run, done.new);
}

/** Does the work as an operation of the state. What was made but is not ready is kept as `partial` says, and is an error. */
async function recorded(
  run: Run,
  operation: PendingOperation,
  work: () => Promise<ResourceState>,
  partial: (failure: PartialFailure) => ResourceState,
): Promise<ResourceState> {
  const { put, failure } = await run.recorder.during(operation, async () => {
    try {
      return { put: await work(), failure: undefined };
    } catch (error) {
      if (!(error instanceof PartialFailure)) throw error;
      return { put: partial(error), failure: error };
    }
  });
  if (failure) throw failure;
  return put;
}

/** A change begins only when nothing in the whole program will be refused. */
async function mayChange(run: Run): Promise<void> {
  if (run.dryRun) return;
  await run.assertPossible();
  run.stop.assertGoing();
}

/** Makes the resource known to the rest of the run; a provider can be used from now on. */
export function registered(run: Run, state: ResourceState): ResourceState {
  if (isProviderType(state.type)) run.providers.configure(`${state.urn}::${state.id ?? UNKNOWN}`, state.outputs ?? {});
  run.news.set(state.urn, state);
  return state;
}
