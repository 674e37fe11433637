import { type Difference, differencesBetween } from "../differences.ts";
import type { Message, SeenRun, Step } from "../engine-events.ts";
import { nameOf } from "../../local/engine/urn.ts";
import { kindOf, type Owner, ownerOf } from "../owner.ts";

/** What is to be done to a thing: the resource itself is made or unmade, or one property of it changes. */
export interface Change {
  readonly owner: Owner;
  readonly kind: string;
  readonly op: "create" | "update" | "delete" | "replace";
  /** Only of an update. */
  readonly difference: Difference | undefined;
  /** A delete that leaves the thing where it is, and forgets it. */
  readonly retained: boolean;
}

/** One change, and everybody for whom it is the same. */
export interface SharedChange {
  readonly change: Omit<Change, "owner">;
  readonly owners: readonly Owner[];
}

/** What a preview says. */
export interface Summary {
  readonly stack: string;
  /** All merchants that the preview saw, changed or not, sorted. */
  readonly merchants: readonly string[];
  readonly created: readonly string[];
  /** Merchants that go away. */
  readonly removed: readonly string[];
  /** Merchants that change, without those that are new or go away. */
  readonly changed: readonly string[];
  readonly destructive: readonly SharedChange[];
  /** All else but what belongs to creating a merchant; those of the most merchants first. */
  readonly changes: readonly SharedChange[];
  readonly messages: readonly Message[];
  readonly succeeded: boolean;
}

const OPS: Readonly<Record<string, Change["op"]>> = {
  create: "create",
  import: "create",
  update: "update",
  delete: "delete",
  replace: "replace",
  "create-replacement": "replace",
  "delete-replaced": "replace",
};

/** Gathers what a preview says of each merchant, and says alike changes once. */
export function summarize(stack: string, run: SeenRun): Summary {
  const steps = run.steps.filter(({ urn }) => !urn.includes("::pulumi:pulumi:Stack::"));
  const ownerOfStep = ({ urn, old, new: next }: Step) => ownerOf(urn, next ?? old);
  const idsOf = (some: readonly Step[]) =>
    [...new Set(some.map(ownerOfStep).flatMap(({ kind, name }) => (kind === "merchant" ? [name] : [])))].sort();
  const created = new Set(idsOf(steps.filter(({ op, urn }) => OPS[op] === "create" && kindOf(urn) === "Merchant")));
  const removed = new Set(idsOf(steps.filter(({ op, urn }) => OPS[op] === "delete" && kindOf(urn) === "Merchant")));
  const isOfCreated = ({ kind, name }: Owner) => kind === "merchant" && created.has(name);
  const changes = steps
    .flatMap((step) => changesOf(step, ownerOfStep(step)))
    .filter(({ owner, op }) => !(isOfCreated(owner) && op === "create"))
    // The roster follows its merchants: a line for each new one would say it twice.
    .filter(({ kind, difference }) => !(kind === "Roster" && createdIn(difference, created)));
  const changedIds = changes.flatMap(({ owner }) => (owner.kind === "merchant" ? [owner.name] : []));
  return {
    stack,
    merchants: idsOf(steps),
    created: [...created].sort(),
    removed: [...removed].sort(),
    changed: [...new Set(changedIds)].filter((id) => !created.has(id) && !removed.has(id)).sort(),
    destructive: share(changes.filter(isDestructive)),
    changes: share(changes.filter((change) => !isDestructive(change))),
    messages: run.messages,
    succeeded: run.succeeded === true,
  };
}

/** What takes something away that cannot be had back: also a resource that is only forgotten is looked at first. */
function isDestructive({ op, kind, difference }: Change): boolean {
  if (op === "delete" || op === "replace") return true;
  // A merchant begins to leave, or is dropped now.
  return kind === "Offboard" && (op === "create" || (difference?.property === "drop" && difference.after === "true"));
}

function createdIn(difference: Difference | undefined, created: ReadonlySet<string>): boolean {
  return difference?.before === undefined && created.has(difference?.object.replace(/^merchant /, "") ?? "");
}

function changesOf({ op, urn, old, new: next, changed }: Step, owner: Owner): readonly Change[] {
  const known = OPS[op];
  if (known === undefined) return [];
  const kind = kindOf(urn);
  const retained = known === "delete" && old?.retainOnDelete === true;
  const whole = { owner, kind, op: known, difference: undefined, retained };
  if (known !== "update") return [whole];
  // Its inputs are a hash for each merchant of its wave, which say nothing to a reader.
  if (kind === "Gate") return [{ ...whole, kind: `${kind} ${nameOf(urn)}` }];
  const differences = old && next ? differencesBetween(old, next, changed) : [];
  const suspends = differences.some(({ object, property }) => object === "" && property === "suspended");
  // A merchant's jobs rest because it does: its one line says so.
  const said = differences.filter(({ object, property }) => !(suspends && object !== "" && property === "active"));
  const told = said.map((difference) => ({ ...whole, difference: withoutHash(difference) }));
  // A step without a visible difference is a step all the same: the name says of what.
  return told.length > 0 ? told : [{ ...whole, kind: `${kind} ${nameOf(urn)}` }];
}

/** What a hash is says nothing to a reader: a file is new, changed or gone. */
function withoutHash(difference: Difference): Difference {
  if (!/^(?:migration|routines of) /.test(difference.object)) return difference;
  const side = (value: string | undefined) => value && "a file";
  return { ...difference, before: side(difference.before), after: side(difference.after) };
}

/** The changes that are the same, each once, with those whose they are. */
function share(changes: readonly Change[]): readonly SharedChange[] {
  const groups = Map.groupBy(changes, ({ owner, ...change }) => JSON.stringify([owner.kind, change]));
  return [...groups.values()]
    .flatMap(([first, ...rest]) => {
      if (first === undefined) return [];
      const { owner, ...change } = first;
      const owners = new Map([owner, ...rest.map((one) => one.owner)].map((one) => [`${one.kind} ${one.name}`, one]));
      return [{ change, owners: [...owners.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1)) }];
    })
    .toSorted((a, b) => b.owners.length - a.owners.length || compare(textOf(a), textOf(b)));
}

function textOf({ change, owners }: SharedChange): string {
  const { kind, op, difference } = change;
  return [owners[0]?.name, kind, op, difference?.object, difference?.property, difference?.after].join("\u0000");
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
