import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createHash } from "node:crypto";
import path from "node:path";

import { EngineError } from "./errors.ts";
import { sortResources } from "./resource-state.ts";
import type { Deployment, PendingOperation, ResourceState } from "./resource-state.ts";
import { decryptSecrets, encryptSecrets } from "./secrets.ts";
import type { Crypter } from "./secrets.ts";
import { isObject, SECRET } from "./values.ts";
import type { Json } from "./values.ts";

/** The version of the deployment format that is read and written (sdk/go/common/apitype/core.go, DeploymentV3). */
const VERSION = 3;
const MANIFEST_VERSION = "v3.270.0";

/** A deployment as `stack export` writes it. */
export interface UntypedDeployment {
  readonly version: number;
  readonly deployment: Readonly<Record<string, unknown>>;
}

/** What a state file says before its secrets are opened. */
export interface RawState {
  readonly deployment: Readonly<Record<string, unknown>>;
  /** The salt of the secrets in it; undefined when it never held one. */
  readonly salt: string | undefined;
  readonly hasSecrets: boolean;
}

const empty: RawState = { deployment: {}, salt: undefined, hasSecrets: false };

/** Reads one deployment, of a state file or of `stack import`; refuses a version or a secrets provider it does not know. */
export function parseDeployment(untyped: Partial<UntypedDeployment>, where: string): RawState {
  if (untyped.version !== VERSION) {
    const newer = typeof untyped.version === "number" && untyped.version > VERSION;
    throw new EngineError(
      "state",
      `${where} is of version ${String(untyped.version)}; this engine reads version ${VERSION}` +
        (newer ? ": it was written by a newer Pulumi CLI, so use that one" : ""),
    );
  }
  const features = (untyped as { features?: unknown }).features;
  if (Array.isArray(features) && features.length > 0) {
    throw new EngineError(
      "state",
      `${where} needs the features ${features.join(", ")}; use the Pulumi CLI for this stack`,
    );
  }
  const { deployment } = untyped;
  if (!isObject(deployment as Json | undefined) || deployment === undefined)
    throw new EngineError("state", `${where} holds no deployment`);
  const provider = deployment["secrets_providers"] as { type?: string; state?: { salt?: string } } | undefined;
  if (provider?.type && provider.type !== "passphrase") {
    throw new EngineError(
      "state",
      `${where} has secrets of the provider ${provider.type}; the local engine opens those of a passphrase only. ` +
        "Change it with `pulumi stack change-secrets-provider passphrase`, or use the Pulumi CLI",
    );
  }
  return {
    deployment,
    salt: provider?.state?.salt,
    hasSecrets: JSON.stringify(deployment).includes(SECRET),
  };
}

/** The resources and pending operations of a raw state; the crypter is needed only where there are secrets. */
export function openDeployment(raw: RawState, crypter: Crypter | undefined): Deployment {
  const opened = (crypter ? decryptSecrets(raw.deployment as Json, crypter) : raw.deployment) as {
    resources?: readonly ResourceState[] | null;
    pending_operations?: readonly PendingOperation[] | null;
  };
  return { resources: opened.resources ?? [], pending: opened.pending_operations ?? [] };
}

/** The deployment as the CLI writes it; resources are put in the order that it demands. */
export function sealDeployment(
  deployment: Deployment,
  crypter: Crypter | undefined,
  salt: string | undefined,
  now: Date,
): UntypedDeployment {
  const sealed = {
    manifest: {
      time: now.toISOString(),
      magic: createHash("sha256").update(MANIFEST_VERSION).digest("hex"),
      version: MANIFEST_VERSION,
    },
    ...(salt !== undefined && { secrets_providers: { type: "passphrase", state: { salt } } }),
    resources: sortResources(deployment.resources).map((r) => sealState(r, crypter)),
    ...(deployment.pending.length > 0 && {
      pending_operations: deployment.pending.map((p) => ({ type: p.type, resource: sealState(p.resource, crypter) })),
    }),
    metadata: {},
  };
  return { version: VERSION, deployment: sealed };
}

/** One resource as the state file holds it. */
export function sealState(state: ResourceState, crypter: Crypter | undefined): Json {
  const json = compact(state);
  return crypter ? encryptSecrets(json, crypter) : json;
}

/** Go leaves out what is empty (`omitempty`); two engines' states are the same only if this one does too. */
function compact(state: ResourceState): Json {
  return Object.fromEntries(
    Object.entries(state).filter(([key, value]) => {
      if (key === "custom") return true;
      if (value === undefined || value === null || value === false || value === "") return false;
      return typeof value !== "object" || Object.keys(value as object).length > 0;
    }),
  );
}

/** The text of the file, or undefined when there is none. */
export function readState(file: string): { readonly raw: RawState; readonly digest: string } | undefined {
  if (!existsSync(file)) return undefined;
  const text = readFileSync(file, "utf8");
  let parsed: { version?: number; checkpoint?: { latest?: Record<string, unknown> } };
  try {
    parsed = JSON.parse(text) as typeof parsed;
  } catch (cause) {
    throw new EngineError(
      "state",
      `the state ${file} is torn or is not JSON; the copy beside it is ${path.basename(file)}.bak`,
      { cause },
    );
  }
  const latest = parsed.checkpoint?.latest;
  const raw = latest
    ? parseDeployment({ version: parsed.version ?? 0, deployment: latest }, `the state ${file}`)
    : empty;
  return { raw, digest: digestOf(text) };
}

/** The text of a state file, and what identifies it. */
export function stateText(
  stack: string,
  sealed: UntypedDeployment,
): { readonly text: string; readonly digest: string } {
  const text = `${JSON.stringify({ version: VERSION, checkpoint: { stack, latest: sealed.deployment } }, undefined, 4)}\n`;
  return { text, digest: digestOf(text) };
}

/** Replaces the file as a whole or not at all; what it was stays beside it as `.bak`. */
export function writeDurably(file: string, text: string): void {
  mkdirSync(path.dirname(file), { recursive: true });
  const fresh = `${file}.${process.pid}.new`;
  const fd = openSync(fresh, "w", 0o600);
  try {
    // All of it, or it throws: one write on a disk that is almost full takes a part, and says nothing.
    writeFileSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  if (existsSync(file)) {
    rmSync(`${file}.bak`, { force: true });
    linkSync(file, `${file}.bak`);
  }
  renameSync(fresh, file);
  syncFolder(path.dirname(file));
}

/** Makes a rename in the folder survive a power failure. */
function syncFolder(folder: string): void {
  const fd = openSync(folder, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
