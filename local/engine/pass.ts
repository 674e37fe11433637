import { Answers } from "./answers.ts";
import type { KnownAnswers } from "./answers.ts";
import { deleteAll, withDependents } from "./deletes.ts";
import { EngineError, refusal } from "./errors.ts";
import type { Events, Operation, StackOutputs } from "./events.ts";
import { stackUrn } from "./monitor.ts";
import { serveProgram } from "./program.ts";
import type { ProgramSettings } from "./program.ts";
import type { ProviderRegistry } from "./provider-registry.ts";
import { isSupported } from "./provider-registry.ts";
import { noRecorder } from "./recorder.ts";
import { refreshAll } from "./refresh.ts";
import { registerResource } from "./register.ts";
import { hasProvider, missingIn } from "./resource-state.ts";
import type { Deployment, ResourceState } from "./resource-state.ts";
import { failRun, Stop } from "./run.ts";
import type { Recorder, Run } from "./run.ts";
import { Slots } from "./slots.ts";
import { equal } from "./values.ts";

/** One pass over a stack. */
export interface PassSettings extends ProgramSettings {
  readonly kind: "update" | "refresh" | "destroy";
  readonly dryRun: boolean;
  /** Whether what exists is read first; of a refresh that is all. */
  readonly refresh: boolean;
  /** URNs to delete; empty for all. Only of a destroy. */
  readonly targets: readonly string[];
  readonly targetDependents: boolean;
  /** Whether a preview has just shown that the engine can do all of it. */
  readonly previewed: boolean;
  readonly start: Deployment;
  readonly providers: ProviderRegistry;
  readonly recorder: Recorder;
  readonly events: Events;
  readonly stop: Stop;
}

export interface PassResult {
  readonly succeeded: boolean;
  readonly counts: ReadonlyMap<Operation, number>;
  readonly unsupported: ReadonlySet<string>;
  readonly outputs: StackOutputs | undefined;
}

/** Refuses a list of types that the engine has no provider for. */
export function assertSupported(types: ReadonlySet<string>): void {
  if (types.size === 0) return;
  const list = [...types].sort().join("\n  ");
  throw new EngineError("refused", `the local engine has no provider for these types; use the Pulumi CLI:\n  ${list}`);
}

/** Runs the pass to its end, whatever happens in it; throws only for what it refuses before anything was done. */
export async function runPass(settings: PassSettings): Promise<PassResult> {
  const { kind, start, dryRun, refresh, stop } = settings;
  const foreign = start.resources.filter((r) => hasProvider(r) && !isSupported(r.type)).map((r) => r.type);
  if (!dryRun || kind !== "update" || refresh) assertSupported(new Set(foreign));
  const missing = missingIn(start.resources);
  if (missing) {
    const way = "repair the state by stack export and import";
    throw new EngineError("state", `${missing[0]} needs ${missing[1]}, which is not in the state: ${way}`);
  }
  const replaced = start.resources.find((r) => r.pendingReplacement);
  if (replaced) throw refusal(`${replaced.urn} is in the middle of a replacement`);

  // Only beside a scout is a question asked twice.
  const known: KnownAnswers | undefined = dryRun || settings.previewed ? undefined : new Map();
  const run: Run = newRun(settings, known, {
    ...settings,
    assertPossible: once(() => (known ? scout(settings, run, known) : Promise.resolve())),
  });
  // Where nothing is yet, something will change: the scout need not wait for that.
  if (kind === "update" && start.resources.length === 0) run.assertPossible().catch(() => undefined);
  let succeeded = false;
  try {
    succeeded = await runPhases(settings, run);
  } catch (error) {
    failRun(run, error, "");
  }
  succeeded &&= stop.reason === undefined;
  const outputs = await finishOutputs(run, !succeeded);
  settings.providers.close();
  return { succeeded, counts: run.counts, unsupported: run.unsupported, outputs };
}

/** Refresh, program, deletes; each only if the one before it succeeded (pkg/resource/deploy/deployment_executor.go). */
async function runPhases(settings: PassSettings, run: Run): Promise<boolean> {
  const { kind, refresh, stop } = settings;
  if (refresh) {
    const complete = await refreshAll(run);
    await run.recorder.rebase([...run.olds.values(), ...run.condemned]);
    if (!complete) return false;
  }
  if (stop.reason || kind === "refresh") return true;
  if (kind === "update" && !(await serveProgram(settings, run, (goal) => registerResource(run, goal)))) return false;
  return deleteAll(run, chooseDeletes(settings, run));
}

type RunParts = Pick<Run, "dryRun" | "providers" | "recorder" | "events" | "stop" | "assertPossible">;

function newRun(settings: PassSettings, known: KnownAnswers | undefined, parts: RunParts, scouting = false): Run {
  const { start } = settings;
  return {
    project: settings.project.name,
    stack: settings.stack,
    dryRun: parts.dryRun,
    onlyRefreshes: settings.kind === "refresh",
    slots: new Slots(settings.parallel),
    providers: parts.providers,
    recorder: parts.dryRun ? noRecorder : parts.recorder,
    events: parts.events,
    stop: parts.stop,
    now: () => new Date().toISOString(),
    olds: new Map(start.resources.filter((r) => !r.delete).map((r) => [r.urn, r])),
    condemned: start.resources.filter((r) => r.delete),
    news: new Map(),
    counts: new Map(),
    stackOutputs: {},
    refusals: [],
    unsupported: new Set(),
    answers: new Answers(known, scouting),
    assertPossible: parts.assertPossible,
  };
}

/**
 * Runs the program as a preview that nobody sees, before the first change of an update that had no preview: what the program
 * would be refused for is then known while nothing has been changed.
 */
async function scout(settings: PassSettings, main: Run, known: KnownAnswers): Promise<void> {
  const stop = new Stop();
  main.stop.onStop(() => {
    stop.now("canceled");
  });
  const events: Events = { started: silent, finished: silent, failed: silent, message: silent, summary: silent };
  const parts = { dryRun: true, providers: main.providers.fork(), recorder: noRecorder, events, stop };
  const run = newRun(settings, known, { ...parts, assertPossible: () => Promise.resolve() }, true);
  run.olds.clear();
  for (const [urn, state] of main.olds) run.olds.set(urn, state);
  const unheard = { ...settings, output: silent, unheard: true, program: undefined };
  await serveProgram(unheard, run, (goal) => registerResource(run, goal));
  assertSupported(run.unsupported);
  const [refused] = run.refusals;
  if (refused) throw refused;
}

function silent(): void {
  // A scout tells nobody.
}

function once<T>(work: () => Promise<T>): () => Promise<T> {
  let done: Promise<T> | undefined;
  return () => (done ??= work());
}

/**
 * What the program did not register; of a destroy with targets, those and what needs them (step_generator.go, GenerateDeletes).
 */
function chooseDeletes({ targets, targetDependents }: PassSettings, run: Run): readonly ResourceState[] {
  const all = [...run.condemned, ...[...run.olds.values()].filter((state) => !run.news.has(state.urn))];
  if (targets.length === 0) return all;
  const missing = targets.filter((urn) => !run.olds.has(urn));
  if (missing.length > 0)
    throw new EngineError(
      "usage",
      `--target names what is not in the stack: ${missing.join(", ")}; names and patterns in place of URNs are for the Pulumi CLI`,
    );
  const chosen = withDependents(new Set(targets), all);
  const dragged = [...chosen].filter((urn) => !targets.includes(urn));
  if (dragged.length > 0 && !targetDependents) {
    const list = dragged.join("\n  ");
    throw new EngineError(
      "usage",
      `these need what --target names and would be destroyed too; add --target-dependents, or name them:\n  ${list}`,
    );
  }
  return all.filter((state) => chosen.has(state.urn));
}

/** Writes the stack's outputs, when all is done; after an error those that were there before are kept (step_executor.go). */
async function finishOutputs(run: Run, failed: boolean): Promise<StackOutputs | undefined> {
  const { given } = run.stackOutputs;
  const urn = stackUrn(run);
  const state = run.news.get(urn);
  if (!given || !state) return undefined;
  const old = run.olds.get(urn)?.outputs;
  const outputs = failed ? { ...old, ...given } : given;
  if (!run.dryRun && !equal(state.outputs ?? {}, outputs)) await run.recorder.put({ ...state, outputs });
  return { old, new: outputs };
}
