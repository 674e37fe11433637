import type { OffboardPhase } from "./offboard.ts";
import type { Problem } from "./problems.ts";
import { NAMESPACE } from "./names.ts";
import { writePath } from "./report.ts";
import type { StackSpec } from "./stack.ts";

/** A merchant in the stack's memory. */
export interface RosterEntry {
  readonly cell: string;
  readonly database: string;
  /** How far its offboarding was declared to go. Whether it went so far is not known here: Offboard remembers that. */
  readonly offboard?: OffboardPhase | undefined;
}

/** Where each merchant lives: what the stack's state remembers of the last `up`. */
export type Roster = Readonly<Record<string, RosterEntry>>;

/** The roster of a stack. */
export function rosterOf({ merchants }: StackSpec): Roster {
  return Object.fromEntries(
    merchants.map(({ id, cell, database, offboard }) => [
      id,
      { cell, database, ...(offboard && { offboard: offboard.phase }) },
    ]),
  );
}

/**
 * What is wrong between two rosters, by id: merchants that vanished without being dropped, that moved, or that are to
 * be dropped in the same `up` as they are exported. New merchants are no problem.
 */
export function rosterProblems(before: Roster, after: Roster): readonly Problem[] {
  return [...changeProblems(before, after), ...dropProblems(before, after)];
}

/** The merchants that vanished after they were declared to be dropped. Whether they are gone only their cell knows. */
export function leavers(before: Roster, after: Roster): readonly (RosterEntry & { readonly id: string })[] {
  return Object.entries(before)
    .filter(([id, was]) => !Object.hasOwn(after, id) && was.offboard === "drop")
    .map(([id, was]) => ({ id, ...was }));
}

function changeProblems(before: Roster, after: Roster): readonly Problem[] {
  return Object.entries(before)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .flatMap(([id, was]): readonly Problem[] => {
      const path = writePath([`${NAMESPACE}:merchants`, id]);
      const is = Object.hasOwn(after, id) ? after[id] : undefined;
      if (is === undefined) return was.offboard === "drop" ? [] : [vanished(path, id, was)];
      return is.cell === was.cell && is.database === was.database ? [] : [moved(path, was, is)];
    });
}

function dropProblems(before: Roster, after: Roster): readonly Problem[] {
  return Object.entries(after)
    .filter(([id, { offboard }]) => offboard === "drop" && !(Object.hasOwn(before, id) && before[id]?.offboard))
    .map(([id]) => ({
      path: writePath([`${NAMESPACE}:merchants`, id, "offboard", "drop"]),
      value: true,
      rule: "has no export of an earlier up to rely on: what is dropped is exported first, in an up of its own",
      fix: "take drop and confirm out, run up, look at the export, and put them back",
    }));
}

function vanished(path: string, id: string, { cell, database, offboard }: RosterEntry): Problem {
  const offboarding =
    offboard === undefined
      ? "a merchant that leaves is offboarded (docs/offboarding.md); "
      : "drop it by drop: true and confirm, in an up of its own, and take the line out after that; ";
  return {
    path,
    rule:
      `is gone, but its database ${database} on the cell ${cell} holds its data: ` +
      "a merchant is not removed by removing its line",
    fix:
      `put the line back; to pause its jobs write suspended: true; ${offboarding}` +
      `if the id was mistyped and nothing of it exists yet: npm run recover -- --forget ${id}`,
  };
}

function moved(path: string, was: RosterEntry, is: RosterEntry): Problem {
  return {
    path,
    value: { cell: is.cell, database: is.database },
    rule:
      `lives in the database ${was.database} on the cell ${was.cell}: ` +
      "an empty one would be made elsewhere, and its data would stay behind",
    fix: `put back cell: ${was.cell} and database: ${was.database}; data is moved by a person, not by this program`,
  };
}
