import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { parseCommandLine } from "../engine/options.ts";
import { findProject } from "../engine/project.ts";
import { findStack } from "../engine/stack.ts";
import { type StackFiles, stackFiles, stateFolder } from "../engine/stack-store.ts";
import { RecoverError } from "./errors.ts";

export type EngineName = "pulumi" | "local";

/** A stack on an engine that takes the Pulumi CLI's words. */
export interface StackEngine {
  readonly name: EngineName;
  /** How a person calls it. */
  readonly callAs: string;
  readonly stack: string;
  /** The folder in which its providers work. */
  readonly workingFolder: string;
  /** The files of the stack; undefined when its state is kept by a service. */
  readonly files: StackFiles | undefined;
  /** Runs a command on the stack and gives what it printed. Throws `engine`. */
  readonly run: (words: readonly string[], input?: string) => Promise<string>;
}

/** The engine that is asked for; else the Pulumi CLI if there is one on PATH, else the local engine. */
export function chooseEngine(wanted: EngineName | undefined, env: NodeJS.ProcessEnv): EngineName {
  return wanted ?? (isOnPath("pulumi", env) ? "pulumi" : "local");
}

function isOnPath(program: string, env: NodeJS.ProcessEnv): boolean {
  return (env["PATH"] ?? "").split(path.delimiter).some((folder) => {
    try {
      accessSync(path.join(folder, program), constants.X_OK);
      return folder !== "";
    } catch {
      return false;
    }
  });
}

/** Finds the stack of the project around a folder: the one that is named, or that the engine has selected. */
export async function openStackEngine(
  name: EngineName,
  stack: string | undefined,
  folder: string,
  env: NodeJS.ProcessEnv,
): Promise<StackEngine> {
  const project = findProject(folder);
  const command: readonly [string, ...string[]] =
    name === "pulumi"
      ? ["pulumi", "--non-interactive"]
      : [process.execPath, path.join(import.meta.dirname, "..", "engine", "cli.ts")];
  const call = (words: readonly string[], input?: string) => runWords(command, words, project.folder, env, input);
  const named = stack === undefined ? [] : ["--stack", stack];
  const found =
    name === "local"
      ? findStack(parseCommandLine(["stack", "export", "--cwd", folder, ...named]).line, env)
      : undefined;
  const chosen = found?.name ?? stack ?? (await call(["stack", "--show-name"])).trim();
  return {
    name,
    callAs: name === "pulumi" ? "pulumi" : "npm run pulumi --",
    stack: chosen,
    workingFolder: project.workingFolder,
    files: found ? found.files : await filesOfCli(call, project.name, project.folder, chosen),
    run: (words, input) => call([...words, "--stack", chosen], input),
  };
}

const whoami = z.object({ url: z.string() });

/** The CLI keeps a stack in files only where it was logged in to `file://…`. */
async function filesOfCli(
  call: (words: readonly string[]) => Promise<string>,
  project: string,
  folder: string,
  stack: string,
): Promise<StackFiles | undefined> {
  const { url } = whoami.parse(JSON.parse(await call(["whoami", "--verbose", "--json"])));
  if (!url.startsWith("file://")) return undefined;
  return stackFiles(stateFolder({ PULUMI_BACKEND_URL: url }, folder), project, stack.split("/").at(-1) ?? stack);
}

async function runWords(
  [program, ...first]: readonly [string, ...string[]],
  words: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv,
  input: string | undefined,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, [...first, ...words], { cwd, env, stdio: ["pipe", "pipe", "pipe"] });
    let out = "";
    let err = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
    // It may end before it has read everything; its exit status says why.
    child.stdin.on("error", () => undefined);
    child.stdin.end(input);
    child.on("error", (cause) => {
      reject(new RecoverError("engine", `${program} cannot be started: ${cause.message}`, { cause }));
    });
    child.on("close", (status) => {
      if (status === 0) resolve(out);
      else {
        const said = err.trim().replace(/^error: /, "");
        reject(new RecoverError("engine", `${words.join(" ")} failed: ${said || `exit status ${String(status)}`}`));
      }
    });
  });
}
