import type { PassSettings } from "./pass.ts";
import { serveProgram } from "./program.ts";
import { rebuild, refreshOne } from "./refresh.ts";
import { registerResource } from "./register.ts";
import { hasProvider } from "./resource-state.ts";
import type { Goal, ResourceState } from "./resource-state.ts";
import type { Run } from "./run.ts";

/**
 * `refresh --run-program`: the program runs, providers and components are made what it says, and every resource is read with the
 * provider that it has set up now; one that is not in the state is passed over (step_generator.go, refreshMode).
 */
export async function refreshByProgram(settings: PassSettings, run: Run): Promise<boolean> {
  const results = new Map<string, ResourceState | undefined>();
  const read = async (old: ResourceState): Promise<ResourceState | undefined> => {
    results.set(old.urn, old);
    const found = await run.slots.run(() => refreshOne(run, old));
    results.set(old.urn, found);
    return found;
  };
  const refreshRegistered = async (goal: Goal): Promise<ResourceState> => {
    const old = run.olds.get(goal.urn);
    const absent: ResourceState = { urn: goal.urn, custom: true, type: goal.type, parent: goal.parent };
    return old ? ((await read(old)) ?? absent) : absent;
  };
  let complete = await serveProgram(settings, run, (goal) =>
    hasProvider(goal) ? refreshRegistered(goal) : registerResource(run, goal),
  );
  for (const state of run.news.values()) results.set(state.urn, state);
  for (const old of run.olds.values()) {
    if (results.has(old.urn)) continue;
    if (!complete) results.set(old.urn, old);
    else await read(old).catch(() => (complete = false));
  }
  const added = [...run.news.values()].filter((state) => !run.olds.has(state.urn));
  await settings.rebase([...rebuild([...run.olds.values(), ...added], results), ...run.condemned]);
  return complete;
}
