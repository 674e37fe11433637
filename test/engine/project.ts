import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

import { STACK_COMMANDS } from "../../local/engine/command-stack.ts";
import { parseCommandLine } from "../../local/engine/options.ts";

const repository = path.join(import.meta.dirname, "..", "..");
const cli = path.join(repository, "local", "engine", "cli.ts");

/** What a command printed, and its exit status. */
export interface Outcome {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

/** A run that goes on; `done` is its outcome. */
export interface Started {
  readonly pid: number;
  /** What it has printed so far. */
  readonly printed: () => string;
  readonly done: Promise<Outcome>;
}

/** The parts of an exported deployment that tests look at. */
interface ExportedState {
  readonly secrets_providers?: unknown;
  readonly resources: readonly {
    readonly urn: string;
    readonly type: string;
    readonly id?: string;
    readonly inputs?: Readonly<Record<string, unknown>>;
    readonly outputs?: Readonly<Record<string, unknown>>;
    readonly [key: string]: unknown;
  }[];
  readonly pending_operations?: readonly { readonly type: string; readonly resource: { readonly urn: string } }[];
}

/** A copy of the program of a conformance kit, whose resources are those of plan.json, with a stack `dev`. */
export interface KitProject {
  readonly folder: string;
  /** Runs a command of the local engine in the project's folder. */
  readonly run: (...args: readonly string[]) => Promise<Outcome>;
  /** As `run`, without waiting for its end. */
  readonly start: (...args: readonly string[]) => Started;
  /** As `run`, with what comes of `input` on standard input, as it comes. */
  readonly feed: (input: AsyncIterable<string>, ...args: readonly string[]) => Promise<Outcome>;
  /** Changes the environment of later runs. */
  readonly env: NodeJS.ProcessEnv;
  readonly write: (file: string, content: unknown) => void;
  /** The content of a file of the folder, or undefined. */
  readonly read: (file: string) => string | undefined;
  readonly state: () => Promise<ExportedState>;
  readonly remove: () => void;
}

/** Makes the project; the caller removes it. */
async function makeKitProject(
  kit: "conformance" | "conformance-postgresql",
  settings: NodeJS.ProcessEnv = {},
): Promise<KitProject> {
  const folder = mkdtempSync(path.join(tmpdir(), "engine kit "));
  cpSync(path.join(import.meta.dirname, kit, "program"), folder, { recursive: true });
  symlinkSync(path.join(repository, "node_modules"), path.join(folder, "node_modules"));
  const env: NodeJS.ProcessEnv = { ...process.env, PULUMI_CONFIG_PASSPHRASE: "for tests", ...settings };
  delete env["PULUMI_BACKEND_URL"];
  const write = (file: string, content: unknown) => {
    writeFileSync(path.join(folder, file), typeof content === "string" ? content : JSON.stringify(content));
  };
  const start = (...args: readonly string[]) => startProcess([cli, ...args], folder, env);
  const run = (...args: readonly string[]) => start(...args).done;
  write("plan.json", []);
  await runHere(["stack", "init", "dev"], folder, env);
  write("Pulumi.dev.yaml", "config:\n  conformance:greeting: hello\n");
  return {
    folder,
    env,
    run,
    start,
    feed: (input, ...args) => startProcess([cli, ...args], folder, env, input).done,
    write,
    read: (file) => (existsSync(path.join(folder, file)) ? readFileSync(path.join(folder, file), "utf8") : undefined),
    async state() {
      const exported = await runHere(["stack", "export"], folder, env);
      const { deployment } = JSON.parse(exported) as { deployment: ExportedState };
      return deployment;
    },
    remove: () => {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Makes the project for one test, and removes it after it. */
export async function withKitProject<T>(
  work: (project: KitProject) => Promise<T>,
  kit: "conformance" | "conformance-postgresql" = "conformance",
  settings: NodeJS.ProcessEnv = {},
): Promise<T> {
  const project = await makeKitProject(kit, settings);
  try {
    return await work(project);
  } finally {
    project.remove();
  }
}

/** A command that runs no program, in this process: there are hundreds of them, and a process takes a third of a second. */
async function runHere(words: readonly string[], folder: string, env: NodeJS.ProcessEnv): Promise<string> {
  const { command, line } = parseCommandLine([...words, "--cwd", folder]);
  let out = "";
  const ignore = () => undefined;
  await STACK_COMMANDS[command]?.(line, env, {
    out: (text) => (out += text),
    err: ignore,
    color: false,
    interactive: false,
  });
  return out;
}

function startProcess(
  args: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv,
  input: AsyncIterable<string> = Readable.from([]),
): Started {
  const child = spawn(process.execPath, args, { cwd, env, stdio: "pipe" });
  // A command that does not read its input may end before all of it is there.
  pipeline(input, child.stdin).catch(() => undefined);
  let out = "";
  let err = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
  const done = new Promise<Outcome>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      resolve({ status: code ?? -1, out, err });
    });
  });
  return { pid: child.pid ?? 0, printed: () => out + err, done };
}
