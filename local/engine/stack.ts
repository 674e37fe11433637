import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

import { EngineError } from "./errors.ts";
import type { CommandLine } from "./options.ts";
import { findProject } from "./project.ts";
import type { Project } from "./project.ts";
import { loadState, openState } from "./recorder.ts";
import type { CrypterSource, StoredState } from "./recorder.ts";
import type { Deployment } from "./resource-state.ts";
import { crypterOf } from "./secrets.ts";
import type { Crypter } from "./secrets.ts";
import { readStackFile, resolveConfig } from "./stack-config.ts";
import type { StackConfig, StackFile } from "./stack-config.ts";
import { listStacks, stackFiles, stateFolder } from "./stack-store.ts";
import type { StackFiles } from "./stack-store.ts";

/** A project and one of its stacks, by name: nothing of it is read yet. */
interface StackPlace {
  readonly project: Project;
  readonly folder: string;
  readonly name: string;
  readonly files: StackFiles;
  readonly env: NodeJS.ProcessEnv;
}

/** A stack whose state and config have been read, secrets still closed. */
export interface ReadStack extends StackPlace {
  readonly stored: StoredState;
  readonly file: StackFile;
  /** What new secrets are closed with. */
  readonly crypter: CrypterSource;
  /** What the secrets of the stack's config are closed with: another salt than the state's, where two people made them. */
  readonly configCrypter: CrypterSource;
}

/** A stack with its state, secrets opened. */
interface OpenStack extends ReadStack {
  readonly deployment: Deployment;
}

const selectionFile = (project: Project) => path.join(project.folder, ".local", "selected-stack");

/** The stack that the command line means: by --stack, PULUMI_STACK, or the one made last. */
export function findStack(line: CommandLine, env: NodeJS.ProcessEnv, named?: string): StackPlace {
  const project = findProject(line.folder);
  const folder = stateFolder(env, project.folder);
  const selected = existsSync(selectionFile(project)) ? readFileSync(selectionFile(project), "utf8").trim() : undefined;
  const given = named ?? line.stack ?? env["PULUMI_STACK"] ?? selected;
  if (!given) {
    const known = listStacks(folder, project.name);
    const way = known.length > 0 ? `name one by --stack: ${known.join(", ")}` : "make one by `stack init dev`";
    throw new EngineError("no-stack", `no stack is selected; ${way}`);
  }
  const [name = "", ...above] = given.split("/").reverse();
  if (above.length > 0 && above.at(-1) !== "organization")
    throw new EngineError("usage", `"${given}": in files a stack is <name> or organization/${project.name}/<name>`);
  if (!/^[A-Za-z0-9_.-]{1,100}$/.test(name)) {
    throw new EngineError(
      "usage",
      `"${name}" is no name for a stack: letters, digits, hyphens, underscores and points, at most 100`,
    );
  }
  return { project, folder, name, files: stackFiles(folder, project.name, name), env };
}

/** Makes the stack the one that commands without --stack mean. */
export function selectStack({ project, name }: StackPlace): void {
  const file = selectionFile(project);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, `${name}\n`);
}

/** Reads the stack's state and config. */
export function readStack(place: StackPlace): ReadStack {
  const stored = loadState(place.files);
  if (!stored) {
    const known = listStacks(place.folder, place.project.name);
    const others = known.length > 0 ? ` (there are: ${known.join(", ")})` : "";
    throw new EngineError(
      "no-stack",
      `no stack named '${place.name}' in ${place.folder}${others}; make it by \`stack init ${place.name}\``,
    );
  }
  const file = readStackFile(place.project, place.name);
  const crypters = new Map<string | undefined, Promise<Crypter>>();
  const open = (salt: string | undefined): Promise<Crypter> => {
    const known = crypters.get(salt) ?? crypterOf(place.env, place.project.folder, salt);
    crypters.set(salt, known);
    return known;
  };
  return {
    ...place,
    stored,
    file,
    crypter: () => open(stored.raw.salt ?? file.salt),
    configCrypter: () => open(file.salt),
  };
}

/** The stack's state with its secrets opened, which takes a good part of a second of waiting. */
export async function openDeploymentOf({ stored, crypter }: ReadStack): Promise<Deployment> {
  return openState(stored, stored.hasSecrets ? await crypter() : undefined);
}

/** Reads the stack's state and opens its secrets. */
export async function openStack(place: StackPlace): Promise<OpenStack> {
  const stack = readStack(place);
  return { ...stack, deployment: await openDeploymentOf(stack) };
}

/** The stack's config as the program gets it. */
export async function openConfig({
  project,
  file,
  configCrypter,
}: Pick<ReadStack, "project" | "file" | "configCrypter">): Promise<StackConfig> {
  return resolveConfig(project, file, file.hasSecrets && file.salt !== undefined ? await configCrypter() : undefined);
}
