import { spawn } from "node:child_process";
import path from "node:path";
import type { EngineName } from "../../local/recover/engine.ts";

/** What an engine printed, and how it ended. */
export interface Printed {
  readonly out: string;
  readonly err: string;
  /** Null when a signal ended it. */
  readonly status: number | null;
}

/** Where to look: a stack of the project around a folder. */
export interface Place {
  readonly engine: EngineName;
  readonly stack: string;
  readonly folder: string;
}

/** Previews the stack with a refresh and gives the engine's events. Throws when the engine cannot be started. */
export async function lookAtStack({ engine, stack, folder }: Place, env: NodeJS.ProcessEnv): Promise<Printed> {
  const [program, ...first]: readonly [string, ...string[]] =
    engine === "pulumi"
      ? ["pulumi", "--non-interactive"]
      : [process.execPath, path.join(import.meta.dirname, "..", "..", "local", "engine", "cli.ts")];
  const words = [...first, "preview", "--refresh", "--json", "--stack", stack];
  const child = spawn(program, words, {
    cwd: folder,
    // Without it the CLI prints one object, which does not have what was read.
    env: { ...env, PULUMI_ENABLE_STREAMING_JSON_PREVIEW: "true" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let out = "";
  let err = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status) => {
      resolve({ out, err, status });
    });
  });
}
