import { readFileSync } from "node:fs";
import path from "node:path";
import type { Session } from "./session.ts";

/** Objects that are not as they were after the last apply, each with what was found; "gone" for one that is not there. */
export type Differences = Readonly<Record<string, string>>;

/** Objects and what describes each (sql/objects.sql). */
export type Objects = ReadonlyMap<string, string>;

const query = readFileSync(path.join(import.meta.dirname, "..", "sql", "objects.sql"), "utf8");

/** Describes what there is in our schemas now, whoever made it. */
export async function readObjects(session: Session): Promise<Objects> {
  const rows = await session.query<{ object: string; definition: string }>(query);
  return new Map(rows.rows.map(({ object, definition }) => [object, definition]));
}

/** How our objects looked after the last apply. What nobody recorded is not ours and never differs. */
export async function readExpected(session: Session): Promise<Objects> {
  const rows = await session.query<{ object: string; definition: string }>(
    "select e.object, e.definition from merchant_jobs.expected_objects as e order by e.object",
  );
  return new Map(rows.rows.map(({ object, definition }) => [object, definition]));
}

/** The expected objects that are not as expected. */
export function differencesOf(expected: Objects, found: Objects): Differences {
  return Object.fromEntries(
    [...expected].flatMap(([object, definition]) => {
      const now = found.get(object);
      return now === definition ? [] : [[object, now === undefined ? "gone" : firstDifference(definition, now)]];
    }),
  );
}

/**
 * What to expect after files were applied. Ours is what was expected before and what the files made or changed, which
 * is what looks otherwise than before them. An object that was damaged and looks as it did then keeps its expectation:
 * nothing has healed it, and it must not become the truth.
 */
export function expectationAfter(expected: Objects, before: Objects, after: Objects): Objects {
  const ours = [...after].filter(([object, now]) => expected.has(object) || before.get(object) !== now);
  const unhealed = [...expected].filter(
    ([object, definition]) => before.get(object) !== definition && before.get(object) === after.get(object),
  );
  return new Map([...ours, ...unhealed]);
}

/** Makes these the expectation of later looks. */
export async function recordExpected(session: Session, objects: Objects): Promise<void> {
  await session.query("delete from merchant_jobs.expected_objects");
  await session.query(
    "insert into merchant_jobs.expected_objects (object, definition) select * from unnest($1::text[], $2::text[])",
    [[...objects.keys()], [...objects.values()]],
  );
}

/** The first line that differs, declared => found: a whole body in a diff hides what changed. */
function firstDifference(declared: string, found: string): string {
  const was = declared.split("\n");
  const now = found.split("\n");
  const line = was.findIndex((text, i) => text !== now[i]);
  const at = line < 0 ? was.length : line;
  return `${was[at]?.trim() ?? "(nothing)"} => ${now[at]?.trim() ?? "(nothing)"}`;
}
