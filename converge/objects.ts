import { readFileSync } from "node:fs";
import path from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { Session } from "./session.ts";

/** An object in one of our schemas, as sql/objects/ describes it. */
export interface DescribedObject {
  /** What it is a part of; null when it stands alone. */
  readonly parent: string | null;
  readonly definition: string;
  /** The statements that make it as it is; null where that would need lost data, or our files make it. */
  readonly restore: string | null;
  /** The statement that takes it away; null where that would lose data. */
  readonly remove: string | null;
}

/** Objects by name. */
export type Objects = ReadonlyMap<string, DescribedObject>;

/** An object that is not as it was after the last apply. */
export interface Difference {
  readonly object: string;
  /** Undefined for one that nobody expected, of a parent that is ours. */
  readonly declared: DescribedObject | undefined;
  /** Undefined when it is gone. */
  readonly found: DescribedObject | undefined;
}

/** Objects that differ, each with what was found, as an input of the resource holds them. */
export type Differences = Readonly<Record<string, string>>;

/** The object that says which major version described the others: another one prints some of them in another way. */
export const SERVER = "server";

/** The files of sql/objects/; the first names what the others use. */
const PARTS = ["server", "database", "routines", "relations", "columns", "parts", "types", "settings"] as const;

/** The query that describes what there is in our schemas, whoever made it: without a semicolon, to stand in another. */
export const OBJECTS_QUERY = `${PARTS.map(readPart).join("\nunion all\n")}\norder by 1`;

function readPart(name: (typeof PARTS)[number]): string {
  const file = path.join(import.meta.dirname, "..", "sql", "objects", `${name}.sql`);
  return readFileSync(file, "utf8").trimEnd().replace(/;$/, "");
}

/**
 * The same of what is ours already. To describe a table that the application drops at that moment is an error of the
 * server, so what is theirs is not looked at.
 */
const expectedOnes = OBJECTS_QUERY.replace(
  "/* ONLY EXPECTED */",
  `and exists (
     select from merchant_jobs.expected_objects as e
     where e.parent = 'table ' || c.oid::regclass
       or e.object in ('table ' || c.oid::regclass, 'view ' || c.oid::regclass)
   )`,
);

type Row = DescribedObject & { readonly object: string };

/** Describes what there is in our schemas now, whoever made it. */
export async function readObjects(session: Session): Promise<Objects> {
  return byName(await session.query<Row>(OBJECTS_QUERY));
}

/** How our objects looked after the last apply. What nobody recorded is not ours. */
export async function readExpected(session: Session): Promise<Objects> {
  return byName(
    await session.query<Row>(
      "select e.object, e.parent, e.definition, e.restore, e.remove from merchant_jobs.expected_objects as e",
    ),
  );
}

function byName({ rows }: { readonly rows: readonly Row[] }): Objects {
  return new Map(rows.map(({ object, ...described }) => [object, described]));
}

/**
 * What is not as it was after the last apply, compared by the server: of two hundred objects mostly none crosses the
 * network. After an upgrade of the server to another major version that is the only difference. Where nothing is
 * expected yet, the server does not look.
 */
export async function readDifferences(session: Session): Promise<readonly Difference[]> {
  const { rows } = await session.query<{
    object: string;
    declared: DescribedObject | null;
    found: DescribedObject | null;
  }>(
    `with now as materialized (
       select o.* from (${expectedOnes}) as o where exists (select from merchant_jobs.expected_objects)
     ),
     differing as (
       select coalesce(e.object, now.object) as object,
         case when e.object is not null then pg_catalog.to_jsonb(e) - 'object' end as declared,
         case when now.object is not null then pg_catalog.to_jsonb(now) - 'object' end as found
       from now
       full join merchant_jobs.expected_objects as e on e.object = now.object
       where now.definition is distinct from e.definition
         and (e.object is not null or now.parent in (select o.parent from merchant_jobs.expected_objects as o))
     )
     select d.object, d.declared, d.found
     from differing as d
     where d.object = '${SERVER}' or not exists (select from differing as s where s.object = '${SERVER}')
     order by d.object`,
  );
  return rows.map(({ object, declared, found }) => ({
    object,
    declared: declared ?? undefined,
    found: found ?? undefined,
  }));
}

/** Differences in words: the first line that differs, declared => found, since a whole body hides what changed. */
export function describeDifferences(differences: readonly Difference[]): Differences {
  return Object.fromEntries(
    differences.map(({ object, declared, found }) => {
      if (found === undefined) return [object, "gone"];
      if (declared === undefined) return [object, `nothing => ${firstLine(found.definition)}`];
      return [object, firstDifference(declared.definition, found.definition)];
    }),
  );
}

/**
 * What to expect after files were applied. Ours is what was expected before and what the files made or changed, which
 * is what looks otherwise than before them. An object that was damaged and looks as it did then keeps its expectation:
 * nothing has healed it, and it must not become the truth.
 */
export function expectationAfter(expected: Objects, before: Objects, after: Objects): Objects {
  const unhealed = [...expected].filter(
    ([object, { definition }]) =>
      before.get(object)?.definition !== definition && before.get(object)?.definition === after.get(object)?.definition,
  );
  return new Map([...oursAfter(expected, before, after), ...unhealed]);
}

/** As `expectationAfter`, when the server was upgraded meanwhile: what was expected, as the new version describes it. */
export function expectationAnew(expected: Objects, before: Objects, after: Objects): Objects {
  const parents = new Set([...expected.values()].map(({ parent }) => parent));
  const parts = [...after].filter(([, { parent }]) => parent !== null && parents.has(parent));
  return new Map([...oursAfter(expected, before, after), ...parts]);
}

function oursAfter(expected: Objects, before: Objects, after: Objects): Objects {
  return new Map(
    [...after].filter(
      ([object, { definition }]) =>
        object === SERVER || expected.has(object) || before.get(object)?.definition !== definition,
    ),
  );
}

/** Makes `expected` the expectation of later looks, where it was `before`: only what changed is written. */
export async function recordExpected(session: Session, before: Objects, expected: Objects): Promise<void> {
  const gone = [...before.keys()].filter((object) => !expected.has(object));
  if (gone.length > 0)
    await session.query("delete from merchant_jobs.expected_objects where object = any ($1::text[])", [gone]);
  const changed = [...expected].filter(([object, described]) => !isDeepStrictEqual(before.get(object), described));
  const column = (of: (object: DescribedObject) => string | null) => changed.map(([, object]) => of(object));
  await session.query(
    `insert into merchant_jobs.expected_objects (object, parent, definition, restore, remove)
     select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
     on conflict (object) do update
     set parent = excluded.parent, definition = excluded.definition, restore = excluded.restore, remove = excluded.remove`,
    [
      changed.map(([object]) => object),
      column(({ parent }) => parent),
      column(({ definition }) => definition),
      column(({ restore }) => restore),
      column(({ remove }) => remove),
    ],
  );
}

function firstLine(text: string): string {
  return text.split("\n")[0] ?? "";
}

/** By the lines that only one of them has: in a list, the line after one that was added is no difference. */
function firstDifference(declared: string, found: string): string {
  const was = declared.split("\n");
  const now = found.split("\n");
  const lost = was.find((line) => !now.includes(line));
  const added = now.find((line) => !was.includes(line));
  if (lost === undefined && added === undefined) return "the same lines in another order or number";
  // With its blanks, where these are what differs.
  const show = (line: string) => (lost?.trim() === added?.trim() ? `'${line}'` : line.trim());
  return `${lost === undefined ? "nothing" : show(lost)} => ${added === undefined ? "nothing" : show(added)}`;
}
