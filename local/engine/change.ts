import { randomUUID } from "node:crypto";

import { EngineError } from "./errors.ts";
import type { Step } from "./events.ts";
import { PartialFailure } from "./provider.ts";
import type { DiffResult, Existing, Provider } from "./provider.ts";
import { hasProvider } from "./resource-state.ts";
import type { ResourceState } from "./resource-state.ts";
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
  await mayChange(run);
  const made = await changeStep(run, { op: "create", urn: next.urn, new: next }, async () => {
    if (run.dryRun) {
      const outputs = next.custom
        ? isProvider
          ? next.inputs
          : provider.plannedOutputs(undefined, next.inputs ?? {})
        : undefined;
      return withOutputs({ ...next, id: isProvider ? UNKNOWN : undefined }, outputs);
    }
    const stamped = { ...next, created: run.now(), modified: run.now() };
    let made: ResourceState = stamped;
    let failure: PartialFailure | undefined;
    await run.recorder.during({ type: "creating", resource: next }, async () => {
      if (isProvider) made = withOutputs({ ...stamped, id: randomUUID() }, next.inputs);
      else if (next.custom) {
        try {
          const { id, outputs } = await provider.create(next.urn, next.inputs ?? {});
          made = withOutputs({ ...stamped, id }, outputs);
        } catch (error) {
          if (!(error instanceof PartialFailure)) throw error;
          failure = error;
          made = withOutputs({ ...stamped, id: error.id, initErrors: error.reasons }, error.outputs);
        }
      }
      return { put: made };
    });
    if (failure) throw failure;
    return made;
  });
  return registered(run, made);
}

/** Leaves the resource as it is; what the state says of it may still change. */
export async function same(run: Run, old: ResourceState, next: ResourceState): Promise<ResourceState> {
  const kept = { ...next, id: old.id, outputs: old.outputs, created: old.created, modified: old.modified };
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
  const told = { op: "update" as const, urn: next.urn, old, detailed: diff.detailed };
  await mayChange(run);
  const changed = await changeStep(run, { ...told, new: kept }, async () => {
    const inputs = next.inputs ?? {};
    if (run.dryRun) {
      const outputs = hasProvider(next)
        ? provider.plannedOutputs(existing(old), inputs)
        : next.custom
          ? inputs
          : old.outputs;
      return withOutputs(kept, outputs);
    }
    let made: ResourceState = {
      ...kept,
      outputs: next.custom ? inputs : old.outputs,
      modified: next.custom ? run.now() : old.modified,
    };
    let failure: PartialFailure | undefined;
    await run.recorder.during({ type: "updating", resource: kept }, async () => {
      if (!hasProvider(next)) return { put: made };
      try {
        made = withOutputs(made, await provider.update(existing(old), inputs, next.ignoreChanges ?? []));
      } catch (error) {
        if (!(error instanceof PartialFailure)) throw error;
        failure = error;
        // What exists was not made with the new inputs (pkg/engine/update.go, OnResourceStepPost; pulumi/pulumi#2011).
        made = { ...withOutputs(made, error.outputs), inputs: old.inputs, initErrors: error.reasons };
      }
      return { put: made };
    });
    if (failure) throw failure;
    return made;
  });
  return registered(run, changed);
}

/** Takes over what exists under the id that the program gives. */
export async function importExisting(run: Run, desired: ResourceState, provider: Provider): Promise<ResourceState> {
  const { urn, type, importID: id = "" } = desired;
  await mayChange(run);
  return changeStep(run, { op: "import", urn, new: desired }, async () => {
    const read = async () => {
      const found = await provider.read({ urn, id, inputs: {}, outputs: {} });
      if (found.id === "") throw new EngineError("resource", `resource '${id}' does not exist`);
      if (!found.inputs) throw new EngineError("resource", `the provider of ${type} does not support importing`);
      const stamped = { ...desired, id: found.id, inputs: found.inputs, created: run.now(), modified: run.now() };
      return withOutputs(stamped, found.outputs);
    };
    if (run.dryRun) return read();
    let made = desired;
    await run.recorder.during({ type: "importing", resource: desired }, async () => ({ put: (made = await read()) }));
    return made;
  });
}

/** A step whose work gives the resource as it is then. */
async function changeStep(run: Run, step: Step, work: () => Promise<ResourceState>): Promise<ResourceState> {
  let made: ResourceState | undefined;
  await takeStep(run, step, async () => ({ ...step, new: (made = await work()) }));
  if (!made) throw new EngineError("state", `${step.urn} was changed and its state is not known`);
  return made;
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
