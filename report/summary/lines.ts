import { code } from "../markdown.ts";
import type { Owner } from "../owner.ts";
import { counted, shorten } from "../text.ts";
import type { SharedChange } from "./model.ts";

/** A change in words, and for whom. */
export interface Line {
  readonly text: string;
  readonly owners: readonly Owner[];
}

/** Characters of one value. */
const VALUE = 120;
/** So many values of one property stand for themselves; more are told as one line with some of them. */
const OWN_VALUES = 5;
const EXAMPLES = 3;

/**
 * Writes changes as lines. Where one property of many merchants changes to a value of each one's own, as a spread does,
 * that is one line too, with some examples.
 */
export function linesOf(changes: readonly SharedChange[]): readonly Line[] {
  const groups = Map.groupBy(changes, ({ change, owners }) => {
    const { kind, op, difference } = change;
    return JSON.stringify([owners[0]?.kind, kind, op, difference?.object, difference?.property]);
  });
  return [...groups.values()].flatMap((group) =>
    group.length > OWN_VALUES && group[0]?.owners[0]?.kind === "merchant"
      ? [gathered(group)]
      : group.map(({ change, owners }) => ({ text: describe(change), owners })),
  );
}

function gathered(group: readonly SharedChange[]): Line {
  const owners = group.flatMap((one) => one.owners).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const examples = group
    .slice(0, EXAMPLES)
    .map(({ change, owners: those }) => `${code(those[0]?.name ?? "")} ${values(change)}`);
  const rest = group.length - examples.length;
  const first = group[0]?.change;
  const text = `${first ? subject(first) : ""} in ${counted(group.length, "way")} (${examples.join(", ")} and ${counted(rest, "other")})`;
  return { text, owners };
}

function describe(change: SharedChange["change"]): string {
  if (change.op === "create") return `${code(change.kind)} is made`;
  if (change.difference === undefined) return `${code(change.kind)} is updated`;
  return `${subject(change)} ${values(change)}`;
}

/** Jobs, migrations and routines are known by name; the rest by its resource. */
function subject({ kind, difference }: SharedChange["change"]): string {
  const { object = "", property = "" } = difference ?? {};
  const [, word = "", name = object] = /^(job|migration|routines of|merchant) (.*)$/s.exec(object) ?? [];
  const named = word === "" ? name : `${word} ${code(name)}`;
  if (object === "") return `${code(kind)} ${plainName(property)}`;
  return `${word === "" ? code(name) : named}${property === "" ? "" : ` ${plainName(property)}`}`;
}

/** The name of a property reads better as a word; what is none may be Markdown. */
function plainName(property: string): string {
  return /^[a-z][a-z0-9]*$/i.test(property) ? property : code(property);
}

function values({ difference }: SharedChange["change"]): string {
  const { object = "", before, after } = difference ?? {};
  const isFile = /^(?:migration|routines of) /.test(object);
  if (isFile) return before === undefined ? "is new" : after === undefined ? "is gone" : "changed";
  const show = (value: string) => code(shorten(value, VALUE));
  if (before === undefined) return `is new: ${show(after ?? "")}`;
  if (after === undefined) return `is gone (was ${show(before)})`;
  return `${show(before)} => ${show(after)}`;
}
