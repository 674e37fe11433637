import { existing } from "./change.ts";
import type { Step } from "./events.ts";
import type { PropertyChange } from "./provider.ts";
import { hasProvider } from "./resource-state.ts";
import type { ResourceState } from "./resource-state.ts";
import { ensureProvider, takeStep } from "./run.ts";
import type { Run } from "./run.ts";
import { equal } from "./values.ts";

/** What a refresh of one resource gave: its state now; undefined when it exists no more. */
type Refreshed = ResourceState | undefined;

/**
 * Reads every resource of the state and makes what was found the state that the run goes on with. One failing read does not
 * stop the others; it then ends the run (deployment_executor.go, refresh). Gives back whether all could be read.
 */
export async function refreshAll(run: Run): Promise<boolean> {
  let failed = false;
  const results = new Map<string, Refreshed>();
  await Promise.all(
    inFamilies([...run.olds.values()]).map(async (state) => {
      results.set(state.urn, state);
      try {
        results.set(state.urn, await run.slots.run(() => refreshOne(run, state)));
      } catch {
        failed = true;
      }
    }),
  );
  const kept = rebuild([...run.olds.values()], results);
  run.olds.clear();
  for (const state of kept) run.olds.set(state.urn, state);
  return !failed;
}

/** The resources with children of one parent together: what is read of one merchant at a time can share a connection. */
function inFamilies(states: readonly ResourceState[]): readonly ResourceState[] {
  return [...Map.groupBy(states, ({ parent }) => parent).values()].flat();
}

/** Reads one resource; components and providers are as they were. */
async function refreshOne(run: Run, old: ResourceState): Promise<Refreshed> {
  if (run.stop.reason) return old;
  const step = await takeStep<Step>(run, { op: "refresh", urn: old.urn, old, new: old }, async () => {
    const told = { op: "refresh" as const, urn: old.urn, old };
    if (!hasProvider(old)) return { ...told, new: old, found: "same" };
    ensureProvider(run, old);
    const provider = run.providers.get(old.provider ?? "", old.type);
    const inputs = old.inputs ?? {};
    const before = existing(old);
    const read = await provider.read(before);
    if (read.id === "") return { ...told, found: "delete" };
    const found: ResourceState = {
      ...old,
      id: read.id,
      inputs: read.inputs ?? inputs,
      outputs: read.outputs,
      initErrors: [],
    };
    const moved = !equal(found.inputs, inputs) || !equal(found.outputs, before.outputs);
    // The difference that an update to the old inputs would show, the other way round (step.go, RefreshStep).
    const diff = await provider.diff(existing(found), inputs, old.ignoreChanges ?? []);
    const changed = diff.changes === "some" || (diff.changes === "unknown" && !equal(found.inputs, inputs));
    return {
      ...told,
      new: moved ? { ...found, modified: run.now() } : found,
      detailed: diff.detailed && invert(diff.detailed),
      found: changed ? "update" : "same",
    };
  });
  return step.new;
}

const inverse: Readonly<Record<PropertyChange, PropertyChange>> = { add: "delete", delete: "add", update: "update" };

function invert(detailed: Readonly<Record<string, PropertyChange>>): Record<string, PropertyChange> {
  return Object.fromEntries(Object.entries(detailed).map(([path, kind]) => [path, inverse[kind]]));
}

/** The resources that are left, without references to those that are gone (deployment_executor.go, rebuildBaseState). */
function rebuild(olds: readonly ResourceState[], results: ReadonlyMap<string, Refreshed>): readonly ResourceState[] {
  const left = olds.filter((old) => results.get(old.urn) !== undefined);
  const there = new Set(left.map((state) => state.urn));
  return left.map((old) => {
    const state = results.get(old.urn) ?? old;
    const keep = (urns: readonly string[] | null | undefined) => (urns ?? []).filter((urn) => there.has(urn));
    const properties = Object.entries(state.propertyDependencies ?? {}).map(
      ([k, urns]): [string, readonly string[]] => [k, keep(urns)],
    );
    return {
      ...state,
      // Nor is the parent's parent taken in the place of one that is gone (undangleParentResources).
      parent: there.has(state.parent ?? "") ? state.parent : undefined,
      dependencies: keep(state.dependencies),
      propertyDependencies: Object.fromEntries(properties.filter(([, urns]) => urns.length > 0)),
    };
  });
}
