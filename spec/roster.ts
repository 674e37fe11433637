import type { Problem } from "./problems.ts";
import { NAMESPACE } from "./names.ts";
import { writePath } from "./report.ts";
import type { StackSpec } from "./stack.ts";

/** Where each merchant lives: what the stack's state remembers of the last `up`. */
export type Roster = Readonly<Record<string, { readonly cell: string; readonly database: string }>>;

/** The roster of a stack. */
export function rosterOf({ merchants }: StackSpec): Roster {
  return Object.fromEntries(merchants.map(({ id, cell, database }) => [id, { cell, database }]));
}

/** The merchants that vanished or moved between two rosters, by id: each is a problem. New merchants are none. */
export function rosterProblems(before: Roster, after: Roster): readonly Problem[] {
  return Object.entries(before)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .flatMap(([id, was]): readonly Problem[] => {
      const path = writePath([`${NAMESPACE}:merchants`, id]);
      const is = Object.hasOwn(after, id) ? after[id] : undefined;
      if (is === undefined) return [vanished(path, id, was.cell, was.database)];
      return is.cell === was.cell && is.database === was.database ? [] : [moved(path, was, is)];
    });
}

function vanished(path: string, id: string, cell: string, database: string): Problem {
  return {
    path,
    rule:
      `is gone, but its database ${database} on the cell ${cell} holds its data: ` +
      "a merchant is not removed by removing its line",
    fix:
      "put the line back; to pause its jobs write suspended: true; offboarding is a separate, explicit step; " +
      `if the id was mistyped and nothing of it exists yet: npm run recover -- --forget ${id}`,
  };
}

function moved(path: string, was: Roster[string], is: Roster[string]): Problem {
  return {
    path,
    value: { cell: is.cell, database: is.database },
    rule:
      `lives in the database ${was.database} on the cell ${was.cell}: ` +
      "an empty one would be made elsewhere, and its data would stay behind",
    fix: `put back cell: ${was.cell} and database: ${was.database}; data is moved by a person, not by this program`,
  };
}
