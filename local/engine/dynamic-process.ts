import { describeEnding, importing, startNode } from "./child-process.ts";
import type { Child } from "./child-process.ts";
import { EngineError } from "./errors.ts";

const KEPT_LINES = 40;

/** How the SDK's process of dynamic providers is started. */
export interface DynamicProcessSettings {
  readonly module: string;
  readonly workingFolder: string;
  readonly env: NodeJS.ProcessEnv;
  readonly log: (line: string) => void;
}

/** The SDK's own process for dynamic resources; it knows no config yet. */
export interface DynamicProcess {
  readonly child: Child;
  /** Where it listens; rejects when it ends before it does. */
  readonly port: Promise<string>;
  /** How it ended, with the last lines that it printed. */
  readonly ended: Promise<EngineError>;
}

export function startDynamicProcess({ module, workingFolder, env, log }: DynamicProcessSettings): DynamicProcess {
  const { promise: port, resolve, reject } = Promise.withResolvers<string>();
  // The process prints each error that it also answers; its last lines are shown only when it dies.
  const lastLines: string[] = [];
  let found = false;
  const child = startNode(
    // The process demands the engine's address and never uses it.
    [...importing("provider-start.ts"), module, "127.0.0.1:0"],
    { cwd: workingFolder, env },
    (line) => {
      if (found) log(line);
      else if (/^\d+$/.test(line)) {
        found = true;
        resolve(line);
      }
    },
    (line) => {
      lastLines.push(line);
      if (lastLines.length > KEPT_LINES) lastLines.shift();
    },
  );
  const ended = child.ended.then((ending) => {
    const what = `the dynamic provider's process ended (${describeEnding(ending)})`;
    return new EngineError("provider", [what, ...lastLines].join("\n  "));
  });
  void ended.then(reject);
  // It may end before anybody has asked it anything.
  port.catch(() => undefined);
  return { child, port, ended };
}
