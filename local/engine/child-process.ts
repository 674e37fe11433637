import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { getCompileCacheDir } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

/** How a child ended. */
interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A node process of this run, in a process group of its own, so that Ctrl-C reaches only the engine. */
export interface Child {
  readonly process: ChildProcess;
  readonly ended: Promise<Ending>;
  readonly kill: () => void;
}

// The SDK sets this flag while it loads. Node keeps what it compiled for a set of flags, and takes nothing of what was kept
// under others: so it is set from the beginning, and the engine, which runs without it, has a cache of its own.
const first = ["--allow-natives-syntax", ...importing("child-start.ts")];

// The SDK's end of a connection to the engine would take a proxy that the environment names for the rest of the world.
const withoutProxy = { no_grpc_proxy: "127.0.0.1" };

/** The arguments that let node load a file of this folder before anything else. */
export function importing(file: string): readonly string[] {
  return ["--import", pathToFileURL(path.join(import.meta.dirname, file)).href];
}

/** Starts node with these arguments; lines of its two streams go to the callbacks. */
export function startNode(
  args: readonly string[],
  options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv },
  onOut: (line: string) => void,
  onError: (line: string) => void,
): Child {
  const cache = getCompileCacheDir();
  const child = spawn(process.execPath, [...first, ...args], {
    cwd: options.cwd,
    env: {
      ...options.env,
      ...withoutProxy,
      ...(cache !== undefined && { NODE_COMPILE_CACHE: path.join(cache, "children") }),
    },
    detached: true,
    stdio: ["pipe", "pipe", "pipe"],
  });
  eachLine(child.stdout, onOut);
  eachLine(child.stderr, onError);
  // The child may end before it has read anything.
  child.stdin.on("error", () => undefined);
  const ended = new Promise<Ending>((resolve) => {
    child.on("error", (error) => {
      onError(error.message);
      resolve({ code: 127, signal: null });
    });
    child.on("close", (code, signal) => {
      resolve({ code, signal });
    });
  });
  return { process: child, ended, kill: () => child.kill("SIGKILL") };
}

function eachLine(stream: NodeJS.ReadableStream, onLine: (line: string) => void): void {
  let rest = "";
  stream.setEncoding("utf8");
  stream.on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) onLine(line);
  });
  stream.on("end", () => {
    if (rest !== "") onLine(rest);
  });
}

/** How the process ended, in words. */
export function describeEnding({ code, signal }: Ending): string {
  return signal === null ? `exit code ${String(code)}` : `signal ${signal}`;
}
