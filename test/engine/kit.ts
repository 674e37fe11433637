import { readFileSync } from "node:fs";
import path from "node:path";

import type { KitProject } from "./project.ts";

type Json = Record<string, unknown>;

/** One step of a scenario: what is changed before it, and the command. */
export interface Step {
  readonly run: "preview" | "up" | "refresh" | "destroy";
  readonly plan?: unknown;
  readonly world?: unknown;
  readonly sql?: readonly string[];
  readonly flags?: readonly string[];
}

/** A scenario that the Pulumi CLI was recorded with. */
interface Scenario {
  readonly name: string;
  /** The order of creations, updates and deletions is part of it. */
  readonly ordered?: boolean;
  /** Another engine may refuse it, if it does so before anything is changed. */
  readonly mayRefuse?: boolean;
  readonly steps: readonly Step[];
}

/** What one step did. */
interface Seen {
  readonly exit: number;
  readonly steps: readonly string[];
  readonly calls: readonly Json[];
  readonly order: readonly string[];
  readonly state: readonly Json[];
  readonly pending: number;
}

/** The scenarios of a kit, each with what the CLI did. */
export function readKit(kit: string): readonly { readonly scenario: Scenario; readonly expected: readonly Seen[] }[] {
  const read = (file: string) => JSON.parse(readFileSync(path.join(import.meta.dirname, kit, file), "utf8")) as unknown;
  const expected = read("expected.json") as Record<string, readonly Seen[]>;
  return (read("scenarios.json") as Scenario[]).map((scenario) => ({
    scenario,
    expected: expected[scenario.name] ?? [],
  }));
}

/** Names of the recording, by what they are called in this run: roles and databases of a server that tests share. */
export type Names = Readonly<Record<string, string>>;

/** Runs the steps; `sql` does what a step asks for by hand. Names of the run appear in what is seen as they were recorded. */
export async function runScenario(
  project: KitProject,
  { steps, ordered = false }: Scenario,
  names: Names = {},
  sql: (statement: string) => Promise<void> = () => Promise.reject(new Error("this kit has no SQL")),
): Promise<readonly Seen[]> {
  const renamed = <T>(value: T): T => JSON.parse(rename(JSON.stringify(value), names)) as T;
  const recorded = (text: string) => rename(text, Object.fromEntries(Object.entries(names).map(([a, b]) => [b, a])));
  const seen: Seen[] = [];
  for (const step of steps) {
    if (step.plan) project.write("plan.json", renamed(step.plan));
    if (step.world) project.write("world.json", step.world);
    for (const statement of step.sql ?? []) await sql(renamed(statement));
    project.write("calls.jsonl", "");
    const flags = step.flags ?? [];
    const asks = step.run === "preview" || flags.includes("--preview-only");
    const { status, out } = await project.run(
      step.run,
      "--json",
      ...(asks ? [] : ["--yes", "--skip-preview"]),
      ...flags,
    );
    const events = lines(out).map((line) => JSON.parse(line) as { resourcePreEvent?: { metadata: Json } });
    const calls = lines(project.read("calls.jsonl") ?? "").map((line) => plain(JSON.parse(line)) as Json);
    const { resources, pending_operations: pending = [] } = await project.state();
    const changes = calls.filter((call) => ["create", "update", "delete"].includes(String(call["call"])));
    const result: Seen = {
      exit: status,
      steps: events.flatMap((e) => (e.resourcePreEvent ? [describeStep(e.resourcePreEvent.metadata)] : [])).sort(),
      order: ordered
        ? changes.map((c) => `${c["call"] as string} ${(c["id"] as string | undefined) ?? `id-${keyOf(c)}`}`)
        : [],
      calls: calls.sort((a, b) => compare(JSON.stringify(a), JSON.stringify(b))),
      state: resources.map(plainResource).sort((a, b) => compare(sortKey(a), sortKey(b))),
      pending: pending.length,
    };
    seen.push(JSON.parse(recorded(JSON.stringify(result))) as Seen);
  }
  return seen;
}

/** The step, if any, at which the engine rightly refused: an error where the CLI had none, and nothing was changed. */
export function refusedAt(seen: readonly Seen[], expected: readonly Seen[]): number {
  const at = seen.findIndex((step, i) => step.exit !== 0 && expected[i]?.exit === 0);
  if (at < 0) return -1;
  const before = JSON.stringify(seen[at - 1]?.state ?? []);
  const changed = seen[at]?.calls.some((call) => ["create", "update", "delete"].includes(String(call["call"])));
  return JSON.stringify(seen[at]?.state) === before && !changed ? at : -1;
}

function rename(text: string, names: Names): string {
  return Object.entries(names).reduce((t, [from, to]) => t.replaceAll(from, to), text);
}

function lines(text: string): readonly string[] {
  return text.split("\n").filter((line) => line.startsWith("{"));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function sortKey({ urn, id }: Json): string {
  return `${urn as string}${id as string}`;
}

function keyOf(call: Json): string {
  return String((call["inputs"] as Json | undefined)?.["key"]);
}

function describeStep(metadata: Json): string {
  return `${String(metadata["op"])} ${String(metadata["urn"]).split("::").slice(2).join("::")}`;
}

const SIGNATURE = "4dabf18193072939515e22adb298388d";
const SECRET = "1b47061264138c4ac30d75fd1eb44270";
/** Notes of the CLI and its providers to themselves. */
const isInternal = (key: string) => (key.startsWith("__") && key !== "__provider") || key.startsWith("passwordWo");

/** The value with keys in order, secrets and provider text masked, nulls left out: what must be the same in every engine. */
function plain(value: unknown, key = ""): unknown {
  if (key === "__provider" && value !== undefined) return "PROVIDER";
  if (Array.isArray(value)) return value.map((part) => plain(part));
  if (typeof value !== "object" || value === null) return value;
  const object = value as Json;
  if (object[SIGNATURE] === SECRET) return "SECRET";
  const kept = Object.entries(object).filter(([k, v]) => v !== null && !isInternal(k));
  return Object.fromEntries(kept.sort(([a], [b]) => compare(a, b)).map(([k, v]) => [k, plain(v, k)]));
}

const KEPT: readonly string[] = [
  ...["urn", "custom", "type", "id", "delete", "inputs", "outputs", "parent", "protect", "dependencies"],
  ...["propertyDependencies", "initErrors", "retainOnDelete", "pendingReplacement", "external", "ignoreChanges"],
];

function plainResource(resource: Json): Json {
  const kept = KEPT.filter((k) => resource[k] !== undefined && (resource[k] !== false || k === "custom"));
  return Object.fromEntries(kept.map((k) => [k, plainField(k, resource)]));
}

function plainField(key: string, resource: Json): unknown {
  const value = resource[key];
  if (key === "id" && String(resource["type"]).startsWith("pulumi:providers:")) return "PROVIDER-ID";
  if (key !== "propertyDependencies") return plain(value);
  return plain(
    Object.fromEntries(Object.entries(value as Json).filter(([, urns]) => (urns as unknown[] | null)?.length)),
  );
}
