import type { Difference } from "./objects.ts";

/** A statement that makes an object as it was after the last apply. */
export interface HealStep {
  readonly object: string;
  readonly statement: string;
  /** Settings of roles are the administrator's to change; everything else belongs to the owner role. */
  readonly as: "owner" | "administrator";
}

/** Kinds of objects of which a changed one is taken away first. The others are overwritten by what restores them. */
const REPLACED = /^(?:constraint|index|trigger|rule) /;

/**
 * Whether only a person can say what shall be: a column that is gone had data, and so has one that was added or has
 * another type.
 */
export function needsPerson({ object, found }: Difference): boolean {
  return object.startsWith("column ") || (found === undefined && /^(?:table|type) /.test(object));
}

/**
 * What heals objects that were damaged by hand, as far as that loses no data. What our files make is restored by
 * applying them again; what is still not as it was after both is for a person. First all that is taken away, then all
 * that is made: keys before the foreign keys that need them.
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
  const removed = steps(({ object, declared, found }) => {
    const first =
      declared === undefined || object.startsWith("settings ") || (REPLACED.test(object) && declared.restore !== null);
    return first ? found?.remove : undefined;
  });
  const restored = steps(({ declared }) => declared?.restore);
  const isForeignKey = ({ statement }: HealStep) => / add constraint .* FOREIGN KEY /.test(statement);
  return [...removed, ...restored.filter((step) => !isForeignKey(step)), ...restored.filter(isForeignKey)];
}
