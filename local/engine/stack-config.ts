import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

import { Document, isMap, parseDocument } from "yaml";

import { EngineError, messageOf } from "./errors.ts";
import type { Project } from "./project.ts";
import type { Crypter } from "./secrets.ts";
import { isObject } from "./values.ts";
import type { Json } from "./values.ts";

/** The config of a stack as a program gets it: text for each key, objects and lists as JSON. */
export interface StackConfig {
  readonly values: Readonly<Record<string, string>>;
  readonly secretKeys: readonly string[];
}

/** Pulumi.<stack>.yaml before its secrets are opened. */
export interface StackFile {
  readonly path: string;
  readonly exists: boolean;
  readonly salt: string | undefined;
  readonly entries: Readonly<Record<string, Json>>;
  /** Keys that stand beside `config` and not under it. */
  readonly outside: readonly string[];
  readonly hasSecrets: boolean;
}

/** Where the stack's config is. */
function stackFilePath(project: Project, stack: string): string {
  return path.join(project.folder, `Pulumi.${stack}.yaml`);
}

/** Reads Pulumi.<stack>.yaml; one that does not exist says nothing. */
export function readStackFile(project: Project, stack: string): StackFile {
  const file = stackFilePath(project, stack);
  const doc = parseStackFile(file);
  const raw = (doc.toJS() ?? {}) as Json;
  if (!isObject(raw)) throw new EngineError("project", `${file} is not a map`);
  const provider = raw["secretsprovider"];
  if ((typeof provider === "string" && provider !== "passphrase") || raw["encryptedkey"]) {
    throw new EngineError(
      "refused",
      `${file}: its secrets provider is ${JSON.stringify(provider)}; the local engine opens passphrase secrets only, use the Pulumi CLI`,
    );
  }
  if (raw["environment"])
    throw new EngineError("refused", `${file} names an environment, which only the Pulumi CLI can open`);
  const config = isObject(raw["config"]) ? raw["config"] : {};
  const entries = Object.fromEntries(
    Object.entries(config).map(([key, value]) => [key.includes(":") ? key : `${project.name}:${key}`, value]),
  );
  return {
    path: file,
    exists: existsSync(file),
    salt: typeof raw["encryptionsalt"] === "string" ? raw["encryptionsalt"] : undefined,
    entries,
    outside: Object.keys(raw),
    hasSecrets: Object.values(entries).some(holdsSecret),
  };
}

function parseStackFile(file: string): Document {
  const doc = existsSync(file) ? parseDocument(readFileSync(file, "utf8")) : new Document({});
  const [error] = doc.errors;
  if (error) {
    const why = error.code === "DUPLICATE_KEY" ? "a key stands there twice, so make one of the two: " : "";
    throw new EngineError("project", `${file} is not YAML: ${why}${error.message}`);
  }
  return doc;
}

function holdsSecret(value: Json): boolean {
  if (Array.isArray(value)) return value.some((part) => holdsSecret(part as Json));
  if (!isObject(value)) return false;
  return isSecure(value) || Object.values(value).some(holdsSecret);
}

function isSecure(value: Json): value is { readonly secure: string } {
  return isObject(value) && Object.keys(value).length === 1 && typeof value["secure"] === "string";
}

/** The stack's config with what Pulumi.yaml adds; every key that is missing or of another type is reported at once. */
export function resolveConfig(project: Project, file: StackFile, crypter: Crypter | undefined): StackConfig {
  const open = (value: Json): Json => {
    if (isSecure(value)) {
      if (!crypter)
        throw new EngineError("secrets", `${file.path} holds secrets but no encryptionsalt, so they cannot be opened`);
      return crypter.decrypt(value.secure);
    }
    if (Array.isArray(value)) return value.map((part) => open(part as Json));
    return isObject(value) ? Object.fromEntries(Object.entries(value).map(([k, v]) => [k, open(v)])) : value;
  };
  const declared = project.config
    .filter((d) => d.fallback !== undefined)
    .map((d): [string, Json] => [d.key, d.fallback ?? null]);
  const all = { ...Object.fromEntries(declared), ...file.entries };
  const values = Object.fromEntries(Object.entries(all).map(([key, value]) => [key, textOf(open(value))]));
  const problems = project.config.flatMap(({ key, type, required }) => {
    const value = all[key];
    if (value === undefined) return required ? [missing(key, file)] : [];
    if (isSecure(value) || type === undefined) return [];
    const wanted = checks[type];
    const example = type === "object" ? "; write it as a map, and {} for an empty one" : "";
    return wanted && !wanted(value) ? [`${key} must be of type ${type}, as Pulumi.yaml declares it${example}`] : [];
  });
  if (problems.length > 0) {
    const where = file.exists ? file.path : `${file.path} is not there; write it, or name another stack by --stack`;
    throw new EngineError("project", `${where}: ${problems.join("; ")}`);
  }
  return { values, secretKeys: Object.keys(file.entries).filter((key) => holdsSecret(file.entries[key] ?? null)) };
}

function missing(key: string, { exists, outside }: StackFile): string {
  if (outside.includes(key))
    return `${key} stands beside config: and not under it; move it there, two blanks to the right`;
  return exists ? `${key} is missing; write it under config:` : `${key} is missing`;
}

const checks: Readonly<Record<string, (value: Json) => boolean>> = {
  string: (v) => typeof v !== "object",
  integer: (v) => Number.isInteger(Number(v)) && typeof v !== "object",
  boolean: (v) => typeof v === "boolean" || v === "true" || v === "false",
  array: (v) => Array.isArray(v) || (typeof v === "string" && v.startsWith("[")),
  object: (v) => isObject(v) || (typeof v === "string" && v.startsWith("{")),
};

/** Go writes the keys of a map in order, and the provider's inputs hold this text: the same text is no change. */
function textOf(value: Json): string {
  if (typeof value === "object" && value !== null) return JSON.stringify(sorted(value));
  return value === null ? "" : String(value);
}

function sorted(value: Json): Json {
  if (Array.isArray(value)) return value.map((part) => sorted(part as Json));
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sorted(value[key] ?? null)]),
  );
}

/** Sets one key in the stack file and keeps the rest of the file as it is, comments too. */
export function writeConfig(
  project: Project,
  stack: string,
  key: string,
  value: string | { readonly secure: string },
  salt?: string,
): void {
  const file = stackFilePath(project, stack);
  const doc = parseStackFile(file);
  if (!isMap(doc.contents)) doc.contents = doc.createNode({});
  if (salt !== undefined && !doc.has("encryptionsalt")) doc.set("encryptionsalt", salt);
  const full = key.includes(":") ? key : `${project.name}:${key}`;
  if (!isMap(doc.get("config"))) doc.set("config", doc.createNode({}));
  doc.setIn(["config", full], doc.createNode(value));
  try {
    writeFileSync(file, doc.toString());
  } catch (cause) {
    throw new EngineError("project", `${file} cannot be written: ${messageOf(cause)}`, { cause });
  }
}
