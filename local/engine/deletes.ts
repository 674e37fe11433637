import { existing } from "./change.ts";
import { EngineError } from "./errors.ts";
import { hasProvider, neededBy } from "./resource-state.ts";
import type { ResourceState } from "./resource-state.ts";
import { ensureProvider, takeStep } from "./run.ts";
import type { Run } from "./run.ts";
import { nameOf } from "./urn.ts";

/**
 * The resources in rounds: each round may be deleted at once, after the round before it, so that a resource goes only when all
 * that need it are gone (step_generator.go, ScheduleDeletes).
 */
export function scheduleDeletes(condemned: readonly ResourceState[]): readonly (readonly ResourceState[])[] {
  const rounds: ResourceState[][] = [];
  const depth = new Map<string, number>();
  const byUrn = new Map(condemned.map((state) => [state.urn, state]));
  const depthOf = (state: ResourceState): number => {
    const known = depth.get(state.urn);
    if (known !== undefined) return known;
    depth.set(state.urn, 0);
    const below = neededBy(state).flatMap((urn) => byUrn.get(urn) ?? []);
    const own = Math.max(-1, ...below.map(depthOf)) + 1;
    depth.set(state.urn, own);
    return own;
  };
  for (const state of condemned) (rounds[depthOf(state)] ??= []).push(state);
  return rounds.reverse();
}

/** Every URN that the resource needs, directly or through others. */
function allNeededBy(state: ResourceState, states: ReadonlyMap<string, ResourceState>): ReadonlySet<string> {
  const found = new Set<string>();
  const visit = (one: ResourceState) => {
    for (const urn of neededBy(one)) {
      if (found.has(urn)) continue;
      found.add(urn);
      const next = states.get(urn);
      if (next) visit(next);
    }
  };
  visit(state);
  return found;
}

/** The resources with all that need them, directly or through others. */
export function withDependents(targets: ReadonlySet<string>, states: readonly ResourceState[]): ReadonlySet<string> {
  const found = new Set(targets);
  for (let before = -1; before !== found.size;) {
    before = found.size;
    for (const state of states) if (neededBy(state).some((urn) => found.has(urn))) found.add(state.urn);
  }
  return found;
}

/**
 * Deletes the resources. What is protected is refused and keeps all that it needs, while the rest goes on; any other error
 * ends the run after what is running. Gives back whether all are gone.
 */
export async function deleteAll(run: Run, condemned: readonly ResourceState[]): Promise<boolean> {
  const states = new Map([...condemned, ...run.olds.values()].map((state) => [state.urn, state]));
  const spared = new Set<string>();
  let complete = true;
  for (const round of scheduleDeletes(condemned)) {
    if (run.stop.reason) return false;
    const going = round.filter((state) => !spared.has(state.urn));
    const outcomes = await Promise.all(going.map((state) => run.slots.run(() => deleteOne(run, state))));
    if (going.length < round.length || outcomes.some((outcome) => outcome !== "gone")) complete = false;
    for (const state of going.filter((_, i) => outcomes[i] === "protected")) {
      for (const urn of allNeededBy(state, states)) spared.add(urn);
    }
  }
  return complete;
}

async function deleteOne(run: Run, old: ResourceState): Promise<"gone" | "protected" | "failed"> {
  if (run.stop.reason) return "failed";
  const step = { op: old.delete ? ("delete-replaced" as const) : ("delete" as const), urn: old.urn, old };
  try {
    await takeStep(run, step, async () => {
      if (old.protect && !old.delete) throw new EngineError("refused", protectedMessage(old.urn));
      if (run.dryRun) return step;
      await run.recorder.during({ type: "deleting", resource: old }, async () => {
        if (hasProvider(old) && !old.retainOnDelete && !old.external) {
          ensureProvider(run, old);
          await run.providers.get(old.provider ?? "", old.type).delete(existing(old));
        }
        return { drop: old };
      });
      return step;
    });
    return "gone";
  } catch {
    // It is told. Refusing to delete what is protected is no reason to stop (step_executor.go, cancelDueToError).
    if (old.protect && !old.delete) return "protected";
    run.stop.now("failed");
    return "failed";
  }
}

function protectedMessage(urn: string): string {
  return (
    `resource ${urn} cannot be deleted because it is protected. To go on, remove the option protect of ${nameOf(urn)} in the ` +
    "program and run up, then try again"
  );
}
