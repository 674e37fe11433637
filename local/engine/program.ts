import { describeEnding, importing, startNode } from "./child-process.ts";
import type { Child } from "./child-process.ts";
import { DefaultProviders } from "./default-providers.ts";
import { EngineError } from "./errors.ts";
import { serveMonitor, stackUrn } from "./monitor.ts";
import type { Project } from "./project.ts";
import { resolveFromProgram } from "./project.ts";
import type { Goal, ResourceState } from "./resource-state.ts";
import { failRun } from "./run.ts";
import type { Run } from "./run.ts";
import type { StackConfig } from "./stack-config.ts";
import { equal } from "./values.ts";
import type { Props } from "./values.ts";

/** The SDK's exit code for an error that it has already reported through the engine. */
const REPORTED = 32;
/** How long a program may take to end after the run was stopped; it waits for nothing that can come. */
const GRACE_MS = 10_000;

/** The environment that both of the SDK's processes need. */
export function sdkEnvironment(
  project: Project,
  stack: string,
  config: StackConfig,
  env: NodeJS.ProcessEnv,
): NodeJS.ProcessEnv {
  const legacyKey = (key: string) => key.replace(":", ":config:");
  return {
    ...env,
    PULUMI_CONFIG: JSON.stringify(Object.fromEntries(Object.entries(config.values).map(([k, v]) => [legacyKey(k), v]))),
    PULUMI_CONFIG_SECRET_KEYS: JSON.stringify(config.secretKeys),
    PULUMI_NODEJS_TYPESCRIPT: String(project.typescript),
    PULUMI_NODEJS_ORGANIZATION: "organization",
    PULUMI_NODEJS_PROJECT: project.name,
    PULUMI_NODEJS_STACK: stack,
    PULUMI_NODEJS_ROOT_DIRECTORY: project.folder,
  };
}

/** A program, and how it is run. */
export interface ProgramSettings {
  readonly project: Project;
  readonly stack: string;
  readonly config: StackConfig;
  readonly env: NodeJS.ProcessEnv;
  readonly parallel: number;
  /** Takes the lines that the program itself prints. */
  readonly output: (line: string) => void;
  /** Nobody hears what it says to the engine: three debug messages a resource, each a call that the next one waits for. */
  readonly unheard?: boolean;
  /** Its process, where one was started beforehand. */
  readonly program?: Child | undefined;
}

/** Starts the process of a program: the SDK's own `cmd/run`, which loads and waits for its arguments. */
export function startProgram({ project, env, output }: Pick<ProgramSettings, "project" | "env" | "output">): Child {
  return startNode(
    [
      ...importing("debug-stacks.ts"),
      ...importing("program-start.ts"),
      resolveFromProgram(project, "@pulumi/pulumi/cmd/run"),
    ],
    { cwd: project.workingFolder, env },
    output,
    output,
  );
}

/** Runs the program and does what it asks for; gives back whether all of it was done. */
export async function serveProgram(
  settings: ProgramSettings,
  run: Run,
  register: (goal: Goal) => Promise<ResourceState>,
): Promise<boolean> {
  const working = new Set<Promise<unknown>>();
  const track = <T>(work: Promise<T>): Promise<T> => {
    working.add(work);
    return work;
  };
  const monitor = await serveMonitor(run, new DefaultProviders(run, settings.config), {
    register: (goal) => track(register(goal)),
    registerOutputs: (urn, outputs) => track(registerOutputs(run, urn, outputs)),
  });
  try {
    await runProgram(settings, run, monitor.address);
  } catch (error) {
    failRun(run, error, "");
  }
  // What the program no longer waits for is still finished and saved.
  for (const work of working) await Promise.allSettled([work]);
  monitor.close();
  return run.stop.reason === undefined;
}

async function registerOutputs(run: Run, urn: string, outputs: Props): Promise<void> {
  if (urn === stackUrn(run)) {
    run.stackOutputs.given = outputs;
    return;
  }
  const state = run.news.get(urn);
  if (!state) throw new EngineError("program", `outputs are registered for ${urn}, which is not registered`);
  if (equal(state.outputs ?? {}, outputs)) return;
  const next = { ...state, outputs };
  run.news.set(urn, next);
  if (!run.dryRun) await run.recorder.put(next);
}

/** Runs the program; resolves when it has ended well, rejects when it has not. */
async function runProgram(settings: ProgramSettings, run: Run, address: string): Promise<void> {
  const { project, stack, parallel, program, unheard = false } = settings;
  const child = program ?? startProgram(settings);
  const args = [
    ...["--monitor", address],
    ...(unheard ? [] : ["--engine", address]),
    ...["--organization", "organization", "--project", project.name, "--stack", stack],
    ...["--root-directory", project.folder, "--pwd", project.workingFolder],
    ...(run.dryRun ? ["--dry-run"] : []),
    ...["--parallel", String(parallel), project.entry],
  ];
  child.process.stdin?.write(`${JSON.stringify(args)}\n`);
  let grace: NodeJS.Timeout | undefined;
  const forget = run.stop.onStop(() => {
    grace = setTimeout(child.kill, GRACE_MS);
  });
  const ending = await child.ended;
  forget();
  clearTimeout(grace);
  if (run.stop.reason) throw new EngineError("stopped", "the run was stopped while the program ran");
  if (ending.code === REPORTED) throw new EngineError("stopped", "the program failed and said why");
  if (ending.code !== 0) throw new EngineError("program", `the program ended with ${describeEnding(ending)}`);
}
