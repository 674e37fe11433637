import { EngineError, messageOf } from "./errors.ts";
import type { Answers } from "./answers.ts";
import type { Events, Operation, Step } from "./events.ts";
import type { ProviderRegistry } from "./provider-registry.ts";
import type { PendingOperation, ResourceState } from "./resource-state.ts";
import type { Slots } from "./slots.ts";
import type { Outcome } from "./snapshot.ts";
import type { Props } from "./values.ts";
import { isDefaultProvider, urnOfReference } from "./urn.ts";

/** Writes down what a run does to the state; a preview writes nothing. */
export interface Recorder {
  /** Does the work as an operation that stays pending in the state if the engine dies meanwhile. */
  readonly during: <T extends Outcome>(operation: PendingOperation, work: () => Promise<T>) => Promise<T>;
  readonly put: (state: ResourceState) => Promise<void>;
  /** Makes these resources the state: what a refresh found. */
  readonly rebase: (resources: readonly ResourceState[]) => Promise<void>;
}

/** Whether a run goes on, and why it does not. */
export class Stop {
  #reason: "failed" | "canceled" | undefined;
  readonly #listeners = new Set<() => void>();

  get reason(): "failed" | "canceled" | undefined {
    return this.#reason;
  }

  /** Nothing new is begun from now on; what is running is finished. An error outweighs Ctrl-C. */
  now(reason: "failed" | "canceled"): void {
    if (this.#reason !== "failed") this.#reason = reason;
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    for (const listener of listeners) listener();
  }

  /** Tells when the run is ending, also when it is already; the function that is given back ends that. */
  onStop(listener: () => void): () => void {
    if (this.#reason) listener();
    else this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  assertGoing(): void {
    if (this.#reason) throw new EngineError("stopped", "the run is ending");
  }
}

/** One pass over a stack: a preview, or a change of it. */
export interface Run {
  readonly project: string;
  readonly stack: string;
  readonly dryRun: boolean;
  /** The command is `refresh`: nothing follows what is found. */
  readonly onlyRefreshes: boolean;
  readonly slots: Slots;
  readonly providers: ProviderRegistry;
  readonly recorder: Recorder;
  readonly events: Events;
  readonly stop: Stop;
  readonly now: () => string;
  /** The resources that the run began with, as a refresh found them. */
  readonly olds: Map<string, ResourceState>;
  /** Those that wait for deletion since an earlier run. */
  readonly condemned: ResourceState[];
  /** The resources that the program has registered, as they are now. */
  readonly news: Map<string, ResourceState>;
  /** How often each operation was done; default providers do not count. */
  readonly counts: Map<Operation, number>;
  /** What the program gave as the stack's outputs; they are written when all is done. */
  readonly stackOutputs: { given?: Props };
  /** What was asked for and refused. */
  readonly refusals: EngineError[];
  /** The types in the program that the engine has no provider for. */
  readonly unsupported: Set<string>;
  /** Asks the providers for checks and differences. */
  readonly answers: Answers;
  /** Before the first change of anything: throws if the program asks for what the engine cannot do. */
  readonly assertPossible: () => Promise<void>;
}

/** Tells of the step, does it, and tells how it went; an error ends the run after what is running. */
export async function takeStep<T extends Step>(run: Run, step: Step, work: () => Promise<T>): Promise<T> {
  const told = !isDefaultProvider(step.urn);
  if (told) run.events.started(step);
  const began = performance.now();
  try {
    const done = await work();
    if (told) {
      count(run, done);
      run.events.finished(done, (performance.now() - began) / 1000);
    }
    return done;
  } catch (error) {
    if (isTold(error)) throw error;
    run.events.failed(step, messageOf(error));
    throw new EngineError("stopped", "a step failed and was told", { cause: error });
  }
}

/** Ends the run for an error, which is told unless that was done where it happened. */
export function failRun(run: Run, error: unknown, urn: string): void {
  const refused = error instanceof EngineError && error.code === "refused";
  // Every resource that waited for the same answer fails with the same error.
  if (refused && run.refusals.includes(error)) return;
  if (refused) run.refusals.push(error);
  if (!isTold(error)) run.events.message("error", refused ? "" : urn, messageOf(error));
  // That the run is ending is no reason of its own; a step that failed meanwhile is.
  const ending = isTold(error) && (error as EngineError).cause === undefined && run.stop.reason;
  if (!ending) run.stop.now("failed");
}

/** Whether the error needs no more words: it was told, or it is only the end of the run. */
function isTold(error: unknown): boolean {
  return error instanceof EngineError && error.code === "stopped";
}

/** A refresh counts as what it found, and only where nothing else follows it (pkg/engine/update.go, OnResourceStepPost). */
function count(run: Run, step: Step): void {
  const op = step.op !== "refresh" ? step.op : run.onlyRefreshes ? step.found : undefined;
  if (op) run.counts.set(op, (run.counts.get(op) ?? 0) + 1);
}

/** Makes a resource's provider usable with the settings that the state has, unless the program has already given it others. */
export function ensureProvider(run: Run, state: ResourceState): void {
  if (!state.provider || run.providers.has(state.provider)) return;
  const provider = run.olds.get(urnOfReference(state.provider));
  if (!provider) {
    throw new EngineError(
      "state",
      `the provider ${state.provider} of ${state.urn} is not in the state; repair it with stack export and import`,
    );
  }
  run.providers.configure(state.provider, provider.outputs ?? provider.inputs ?? {});
}
