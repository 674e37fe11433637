import { availableParallelism } from "node:os";
import { createInterface } from "node:readline/promises";

import { displayEvents } from "./display.ts";
import { EngineError } from "./errors.ts";
import type { Events, Operation } from "./events.ts";
import { jsonEvents } from "./json-events.ts";
import type { CommandLine } from "./options.ts";
import { assertSupported, runPass } from "./pass.ts";
import type { PassResult, PassSettings } from "./pass.ts";
import { sdkEnvironment, startProgram } from "./program.ts";
import { resolveFromProgram } from "./project.ts";
import { ProviderRegistry } from "./provider-registry.ts";
import type { Deployment } from "./resource-state.ts";
import { JournalRecorder, noRecorder } from "./recorder.ts";
import { Stop } from "./run.ts";
import { findStack, openConfig, openDeploymentOf, readStack } from "./stack.ts";
import type { ReadStack } from "./stack.ts";
import { lockStack } from "./stack-store.ts";
import { openDeployment } from "./state-file.ts";

/** The CLI's exit status when changes came where none were expected. */
const CHANGES_EXIT = 7;
/** After an error, and after Ctrl-C where what was running has been finished and saved. */
const FAILED_EXIT = 1;
/** After a second one. */
const KILLED_EXIT = 8;

type Kind = PassSettings["kind"];

/** What the command says to people and machines. */
export interface Terminal {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  readonly color: boolean;
  readonly interactive: boolean;
}

/** `preview`, `up`, `refresh` and `destroy`; gives back the exit status. */
export async function runCommand(
  command: "preview" | Kind,
  line: CommandLine,
  env: NodeJS.ProcessEnv,
  terminal: Terminal,
): Promise<number> {
  const kind: Kind = command === "preview" ? "update" : command;
  const [json, yes] = [line.flag("json"), line.flag("yes")];
  const planOnly = command === "preview" || line.flag("preview-only");
  if (!planOnly && !yes && !(terminal.interactive && !json)) {
    throw new EngineError(
      "unconfirmed",
      `${command === "update" ? "up" : command} changes things: pass --yes to go on without being asked`,
    );
  }
  const place = findStack(line, env);
  const unlock = planOnly ? () => undefined : lockStack(place.files);
  const stop = new Stop();
  const forget = listenForSignals(stop, terminal);
  let early: Processes | undefined;
  try {
    const stack = readStack(place);
    const settings = { kind, line, stack, stop, terminal, config: await openConfig(stack) };
    early = startProcesses(settings);
    const context = { ...settings, deployment: await openDeploymentOf(stack) };
    const previewed = planOnly || !line.flag("skip-preview");
    if (previewed) {
      const preview = await onePass(context, true, false, early);
      if (!preview.succeeded) return FAILED_EXIT;
      if (planOnly) return expected(preview, line, terminal, "proposed");
      assertSupported(preview.unsupported);
      if (!yes && !(await confirm(kind, stop))) return FAILED_EXIT;
    }
    const result = await onePass(context, false, previewed, previewed ? startProcesses(context) : early);
    if (!result.succeeded) return FAILED_EXIT;
    return expected(result, line, terminal, "made");
  } finally {
    early?.close();
    unlock();
    forget();
  }
}

interface Settings {
  readonly kind: Kind;
  readonly line: CommandLine;
  readonly stack: ReadStack;
  readonly config: PassSettings["config"];
  readonly stop: Stop;
  readonly terminal: Terminal;
}

interface Context extends Settings {
  readonly deployment: Deployment;
}

/** The SDK's processes of one pass. */
interface Processes extends Pick<PassSettings, "env" | "output" | "providers" | "program"> {
  readonly close: () => void;
}

/** Starts them: they load the SDK while the engine opens secrets and reads what exists. */
function startProcesses({ kind, stack, config, terminal }: Settings): Processes {
  const { project, stored } = stack;
  const env = sdkEnvironment(project, stack.name, config, stack.env);
  const output = (text: string) => {
    terminal.err(`${text}\n`);
  };
  const module = resolveFromProgram(project, "@pulumi/pulumi/cmd/dynamic-provider");
  const providers = new ProviderRegistry({ module, workingFolder: project.workingFolder, env, log: output });
  providers.prepare(openDeployment(stored.raw, undefined).resources);
  const program = kind === "update" ? startProgram({ project, env, output }) : undefined;
  const close = () => {
    providers.close();
    program?.kill();
  };
  return { env, output, providers, program, close };
}

async function onePass(
  context: Context,
  dryRun: boolean,
  previewed: boolean,
  processes: Processes,
): Promise<PassResult> {
  const { kind, line, stack, deployment, config, stop, terminal } = context;
  const { project, stored, files } = stack;
  const events = eventsFor(line, terminal, dryRun, kind);
  // Of operations that an earlier run left, the CLI keeps only creations: those alone may have made what nobody knows.
  const start = { ...deployment, pending: deployment.pending.filter((p) => p.type === "creating") };
  const recorder = dryRun ? undefined : await JournalRecorder.open(files, project.name, stored, start, stack.crypter);
  // As the CLI does not warn who looks or refreshes first (deployment_executor.go, Execute).
  if (!dryRun && kind !== "refresh" && !line.flag("refresh")) warnOfPending(deployment, events);
  const parallel = line.parallel ?? 4 * availableParallelism();
  const began = performance.now();
  try {
    const result = await runPass({
      project,
      stack: stack.name,
      config,
      ...processes,
      kind,
      dryRun,
      refresh: kind === "refresh" || line.flag("refresh"),
      parallel,
      targets: line.targets,
      targetDependents: line.flag("target-dependents"),
      previewed,
      start,
      recorder: recorder ?? noRecorder,
      events,
      stop,
    });
    events.summary(
      {
        planning: dryRun,
        result: result.succeeded ? "succeeded" : (stop.reason ?? "failed"),
        durationSeconds: (performance.now() - began) / 1000,
        changes: Object.fromEntries(result.counts),
      },
      result.outputs,
    );
    return result;
  } finally {
    processes.close();
    await recorder?.close();
  }
}

function eventsFor(line: CommandLine, terminal: Terminal, planning: boolean, kind: Kind): Events {
  if (line.flag("json")) return jsonEvents(planning, kind === "refresh", terminal.out);
  const titles = {
    update: ["Previewing update", "Updating"],
    refresh: ["Previewing refresh", "Refreshing"],
    destroy: ["Previewing destroy", "Destroying"],
  };
  terminal.out(`${titles[kind][planning ? 0 : 1] ?? ""}:\n`);
  return displayEvents({ planning, diff: line.flag("diff"), color: terminal.color, write: terminal.out });
}

/** Whether something was changed or would be. */
function hasChanges(counts: ReadonlyMap<Operation, number>): boolean {
  return [...counts].some(([op, n]) => op !== "same" && n > 0);
}

function expected(result: PassResult, line: CommandLine, terminal: Terminal, verb: string): number {
  if (!line.flag("expect-no-changes") || !hasChanges(result.counts)) return 0;
  terminal.err(`error: no changes were expected but changes were ${verb}\n`);
  return CHANGES_EXIT;
}

function warnOfPending({ pending }: Deployment, events: Events): void {
  if (pending.length === 0) return;
  const list = pending.map(({ type, resource }) => `  ${resource.urn}, interrupted while ${type}`).join("\n");
  const text = `what an earlier run was interrupted in may be done or not; \`npm run recover\` looks for it:\n${list}`;
  events.message("warning", "", text);
}

async function confirm(kind: Kind, stop: Stop): Promise<boolean> {
  const ask = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return /^y(es)?$/i.test((await ask.question(`Do you want to perform this ${kind}? [y/N] `)).trim());
  } catch (error) {
    // Ctrl-C, or the end of a terminal that is gone.
    if ((error as Error).name !== "AbortError") throw error;
    stop.now("canceled");
    return false;
  } finally {
    ask.close();
  }
}

/** Ctrl-C lets what is running finish and saves; a second one leaves at once, and the journal says what was under way. */
function listenForSignals(stop: Stop, terminal: Terminal): () => void {
  let asked = false;
  const onSignal = () => {
    if (asked) process.exit(KILLED_EXIT);
    asked = true;
    terminal.err("stopping: what is running is finished and saved first; once more ends at once\n");
    stop.now("canceled");
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  return () => {
    process.off("SIGINT", onSignal);
    process.off("SIGTERM", onSignal);
  };
}
