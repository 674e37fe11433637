import { existsSync, readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

import { parse } from "yaml";

import { EngineError, messageOf, refusal } from "./errors.ts";
import { isObject } from "./values.ts";
import type { Json } from "./values.ts";

/** What Pulumi.yaml says, as far as the engine needs it. */
export interface Project {
  readonly name: string;
  /** The folder of Pulumi.yaml. */
  readonly folder: string;
  /** The folder in which the program and the dynamic providers run. */
  readonly workingFolder: string;
  /** The program, relative to the working folder; `.` leaves it to package.json. */
  readonly entry: string;
  readonly typescript: boolean;
  /** The declared config keys, with namespace. */
  readonly config: readonly ConfigDeclaration[];
}

/** A config key that Pulumi.yaml declares. */
interface ConfigDeclaration {
  readonly key: string;
  readonly type: string | undefined;
  /** A default, or a value that the project sets. */
  readonly fallback: Json | undefined;
  readonly required: boolean;
}

/** Reads the Pulumi.yaml of the folder or of the nearest one above it. */
export function findProject(folder: string): Project {
  for (let at = path.resolve(folder); ; at = path.dirname(at)) {
    for (const name of ["Pulumi.yaml", "Pulumi.yml"]) {
      const file = path.join(at, name);
      if (existsSync(file)) return parseProject(file, at);
    }
    if (at === path.dirname(at)) {
      throw new EngineError(
        "project",
        `no Pulumi.yaml in ${path.resolve(folder)} or above it: go to the project's folder, or name it by -C`,
      );
    }
  }
}

function parseProject(file: string, folder: string): Project {
  let raw: Json;
  try {
    raw = parse(readFileSync(file, "utf8")) as Json;
  } catch (cause) {
    throw new EngineError("project", `${file} is not YAML: ${messageOf(cause)}`, { cause });
  }
  if (!isObject(raw) || typeof raw["name"] !== "string")
    throw new EngineError("project", `${file} names no project: add name: <project>`);
  const name = raw["name"];
  const runtime = typeof raw["runtime"] === "string" ? { name: raw["runtime"] } : raw["runtime"];
  if (!isObject(runtime) || runtime["name"] !== "nodejs") {
    throw new EngineError(
      "refused",
      `${file}: the runtime is ${JSON.stringify(runtime ?? null)}; the local engine runs nodejs only, use the Pulumi CLI`,
    );
  }
  const options = isObject(runtime["options"]) ? runtime["options"] : {};
  const main = typeof raw["main"] === "string" ? path.resolve(folder, raw["main"]) : folder;
  const isFolder = existsSync(main) && statSync(main).isDirectory();
  if (options["nodeargs"] || raw["stackConfigDir"]) throw refusal(`${file} sets nodeargs or stackConfigDir`);
  return {
    name,
    folder,
    workingFolder: isFolder ? main : path.dirname(main),
    entry: isFolder ? "." : path.basename(main),
    typescript: options["typescript"] !== false,
    config: isObject(raw["config"])
      ? Object.entries(raw["config"]).map(([key, value]) => parseDeclaration(name, key, value))
      : [],
  };
}

/** `key: value` sets a value; an object with type, default or value declares (sdk/go/common/workspace/project.go). */
function parseDeclaration(project: string, key: string, value: Json): ConfigDeclaration {
  const full = key.includes(":") ? key : `${project}:${key}`;
  const own = full.startsWith(`${project}:`);
  if (!isObject(value)) return { key: full, type: undefined, fallback: value, required: false };
  const fallback = value["value"] ?? value["default"];
  const type = typeof value["type"] === "string" ? value["type"] : undefined;
  return { key: full, type, fallback, required: own && type !== undefined && fallback === undefined };
}

/** The file of a module as the program itself would find it; the SDK is the program's own. */
export function resolveFromProgram(project: Project, module: string): string {
  try {
    return createRequire(path.join(project.workingFolder, "package.json")).resolve(module);
  } catch (cause) {
    throw new EngineError("project", `${module} is not installed for ${project.workingFolder}: run npm ci there`, {
      cause,
    });
  }
}
