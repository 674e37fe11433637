import { isDeepStrictEqual } from "node:util";
import type { SeenState } from "./engine-events.ts";

/** One thing that is not the same on two sides. */
export interface Difference {
  /** What it is about: a job, an object in the database, a file; empty for the resource itself. */
  readonly object: string;
  /** Which property of it; empty when the whole object is there on one side only. */
  readonly property: string;
  /** Undefined where there is nothing. */
  readonly before: string | undefined;
  readonly after: string | undefined;
}

type Props = Readonly<Record<string, unknown>>;

/** Maps of named things among the inputs of our resources: what they hold is compared thing by thing. */
const MAPS: Readonly<Record<string, (name: string) => string>> = {
  jobs: (name) => `job ${name}`,
  migrations: (name) => `migration ${name}`,
  routines: (name) => `routines of ${name}`,
  differs: (name) => name,
  finds: (name) => name,
  merchants: (name) => `merchant ${name}`,
};

/** The differences between the inputs of a resource on two sides, each as what a person would name, sorted. */
function differencesOf(before: Props, after: Props): readonly Difference[] {
  return keysOf(before, after).flatMap((key) => {
    const [a, b] = [before[key], after[key]];
    if (same(a, b)) return [];
    const named = MAPS[key];
    if (named === undefined || !(isProps(a) || isProps(b)))
      return [{ object: "", property: key, before: show(a), after: show(b) }];
    const [olds, news] = [isProps(a) ? a : {}, isProps(b) ? b : {}];
    const compare = key === "jobs" ? differencesInJob : differencesIn;
    return keysOf(olds, news).flatMap((name) => compare(named(name), olds[name], news[name]));
  });
}

/**
 * As `differencesOf` for one step on a resource. What was found of an input that nobody has set stands in the outputs,
 * and only the provider says that it is a difference: `changed`.
 */
export function differencesBetween(
  before: SeenState,
  after: SeenState,
  changed: readonly string[],
): readonly Difference[] {
  const differences = differencesOf(before.inputs ?? {}, after.inputs ?? {});
  const told = new Set(
    keysOf(before.inputs ?? {}, after.inputs ?? {}).filter((key) => !same(before.inputs?.[key], after.inputs?.[key])),
  );
  const value = ({ inputs, outputs }: SeenState, key: string) => show(inputs?.[key] ?? outputs?.[key]);
  const others = changed.filter((key) => !told.has(key) && !key.startsWith("__"));
  return [
    ...differences,
    ...others.map((key) => ({ object: "", property: key, before: value(before, key), after: value(after, key) })),
  ];
}

function differencesIn(object: string, a: unknown, b: unknown): readonly Difference[] {
  if (same(a, b)) return [];
  if (!isProps(a) || !isProps(b)) return [{ object, property: "", before: show(a), after: show(b) }];
  return keysOf(a, b).flatMap((property) =>
    same(a[property], b[property]) ? [] : [{ object, property, before: show(a[property]), after: show(b[property]) }],
  );
}

/** What follows from something else of the same job, and is left out of the inputs where it does. */
const FOLLOWS: Readonly<Record<string, string>> = { due: "schedule", enabled: "active" };

/** As `differencesIn`; what follows from another difference is not told beside it. */
function differencesInJob(object: string, a: unknown, b: unknown): readonly Difference[] {
  if (!isProps(a) || !isProps(b)) {
    const text = (job: unknown) => (isProps(job) ? showJob(job) : show(job));
    return [{ object, property: "", before: text(a), after: text(b) }];
  }
  const differences = differencesIn(object, complete(a), complete(b));
  return differences.filter(({ property, before, after }) => {
    const other = differences.find((one) => one.property === FOLLOWS[property]);
    return other?.before !== before || other?.after !== after;
  });
}

/** Only a job with a row in app.jobs, which has a batch size, has what follows. */
function complete(job: Props): Props {
  if (job["batchSize"] === undefined) return job;
  const following = Object.entries(FOLLOWS).map(([property, from]) => [property, job[property] ?? job[from]]);
  return { ...job, ...(Object.fromEntries(following) as Props) };
}

function showJob({ schedule, command, active, user, database, ...rest }: Props): string {
  const where = typeof database === "string" ? `in ${database}` : undefined;
  const who = typeof user === "string" ? `as ${user}` : undefined;
  const parts = [schedule, command, where, who, active === false ? "paused" : undefined].flatMap(
    (part) => show(part) ?? [],
  );
  return parts.length > 0 ? parts.join(" ") : (show(rest) ?? "");
}

/** The text of a dynamic provider, and notes of providers to themselves, begin with two underscores. */
function keysOf(a: Props, b: Props): readonly string[] {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].filter((key) => !key.startsWith("__")).sort();
}

/** Nothing is nothing, however it is written. */
function same(a: unknown, b: unknown): boolean {
  return isDeepStrictEqual(a ?? undefined, b ?? undefined);
}

function isProps(value: unknown): value is Props {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value that stands for an unknown one in a preview (rpc.unknownValue of the SDK). */
const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

function show(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (value === UNKNOWN) return "[unknown]";
  if (typeof value === "string") return value;
  if (!isProps(value)) return JSON.stringify(value);
  return Object.entries(value)
    .map(([key, part]) => `${key} ${show(part) ?? "nothing"}`)
    .join(", ");
}
