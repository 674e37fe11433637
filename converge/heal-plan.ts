import type { DescribedObject, Difference } from "./objects.ts";
import { quoteName } from "./roles.ts";

/** A statement that makes an object as it was after the last apply. */
export interface HealStep {
  readonly object: string;
  readonly statement: string;
  /** Settings of roles are the administrator's to change; everything else belongs to the owner role. */
  readonly as: "owner" | "administrator";
}

/** Kinds of objects of which a changed one is taken away first. The others are overwritten by what restores them. */
const REPLACED = /^(?:constraint|index|policy|trigger|rule) /;

/**
 * Whether only a person can say what shall be: a column that is gone had data, and so has one that was added or has
 * another type.
 */
export function needsPerson({ object, found }: Difference): boolean {
  return object.startsWith("column ") || (found === undefined && /^(?:table|type) /.test(object));
}

/**
 * What heals objects that were damaged by hand, as far as that loses no data. What our files make is restored by
 * applying them again; what is still not as it was after both is for a person. First everything is given back to its
 * owner, then all that must go is taken away, then all is made: what others need before them, and keys before the
 * foreign keys that need them.
 */
export function planHealing(differences: readonly Difference[]): readonly HealStep[] {
  // What depends on a column or table that is gone cannot be restored before it is there again.
  if (differences.some((difference) => needsPerson(difference) && difference.found === undefined)) return [];
  const steps = (of: (difference: Difference) => string | null | undefined): HealStep[] =>
    differences.flatMap((difference) => {
      const statement = of(difference);
      const as = difference.object.startsWith("settings ") ? "administrator" : "owner";
      return statement == null ? [] : [{ object: difference.object, statement, as }];
    });
  const owned = steps(giveBack).map((step) => ({ ...step, as: "administrator" as const }));
  const removed = steps((difference) => (goesFirst(difference) ? difference.found?.remove : undefined));
  const restored = steps(({ declared }) => declared?.restore);
  return [...byRank(owned), ...removed, ...byRank(restored)];
}

/** What others need comes first: an owner must have the schema, and a routine or an extension may be used anywhere. */
function byRank(steps: readonly HealStep[]): readonly HealStep[] {
  const rank = ({ object, statement }: HealStep) => {
    if (object.startsWith("schema ")) return 0;
    if (object.startsWith("extension ")) return 1;
    if (object.startsWith("routine ")) return 2;
    return / add constraint .* FOREIGN KEY /.test(statement) ? 4 : 3;
  };
  return steps.toSorted((a, b) => rank(a) - rank(b));
}

/** What the line of a description that begins with this word says; empty when there is none. */
function lineOf(described: DescribedObject | undefined, word: string): string {
  return (
    described?.definition
      .split("\n")
      .find((line) => line.startsWith(`${word}: `))
      ?.slice(word.length + 2) ?? ""
  );
}

function giveBack({ object, declared, found }: Difference): string | undefined {
  const owner = lineOf(declared, "owner");
  if (found === undefined || owner === "" || lineOf(found, "owner") === owner) return undefined;
  return `alter ${object} owner to ${quoteName(owner)}`;
}

/** Whether it is taken away before it is made as it was. A view with other columns cannot be overwritten. */
function goesFirst({ object, declared, found }: Difference): boolean {
  if (declared === undefined || object.startsWith("settings ")) return true;
  if (declared.restore === null) return false;
  if (object.startsWith("view ")) return lineOf(declared, "columns") !== lineOf(found, "columns");
  return REPLACED.test(object);
}

/**
 * What gives back the rights on a table or sequence that are gone, as its owner; undefined when none are. Only those that the
 * owner took from itself are left when our files were applied again: no file of ours gives what an owner has by itself.
 */
export function rightsBack({ object, declared, found }: Difference): string | undefined {
  const what = /^rights on ((?:table|sequence) .*)$/.exec(object)?.[1];
  const has = lineOf(found, "grants").split(" ");
  const lost = lineOf(declared, "grants")
    .split(" ")
    .filter((grant) => !has.includes(grant))
    .map((grant) => /^(?<role>.+):(?<right>[A-Z]+)$/.exec(grant)?.groups)
    .filter((grant) => grant !== undefined);
  if (what === undefined || lost.length === 0) return undefined;
  const statements = [...Map.groupBy(lost, ({ role = "" }) => role)].map(([role, grants]) => {
    const rights = grants.map(({ right = "" }) => right.toLowerCase()).join(", ");
    return `grant ${rights} on ${what} to ${role === "public" ? role : quoteName(role)};`;
  });
  return statements.join(" ");
}
