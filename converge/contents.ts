import { quoteName } from "./roles.ts";
import type { Session } from "./session.ts";

/** What a table holds, in figures that two databases can be compared by. */
export interface TableContents {
  readonly rows: string;
  /** The sum of the hashes of all rows, each as text: the same whatever their order. */
  readonly hash: string;
  /** The sum of each column of whole or decimal numbers, such as the amounts of a ledger; null where no row has one. */
  readonly sums: Readonly<Record<string, string | null>>;
  /** The extension that it belongs to: pg_dump leaves out what is in it, unless the extension says otherwise. */
  readonly extension?: string | undefined;
}

/** The tables of a database, by schema and name; and its large objects, by `LARGE_OBJECTS`, where there are any. */
export type Contents = Readonly<Record<string, TableContents>>;

/** What large objects are called among the tables: no table's name is without a dot. */
const LARGE_OBJECTS = "large objects";

/** Milliseconds that are left until a time, as Date.now() gives it; at least one. */
export function millisecondsUntil(until: number): number {
  return Math.max(1, Math.round(until - Date.now()));
}

/** Rows are compared as text, so all that decides how a value is written is fixed. */
const FIXED_OUTPUT = `
  set local row_security = off;
  set local timezone = 'UTC';
  set local datestyle = 'ISO, YMD';
  set local intervalstyle = 'iso_8601';
  set local extra_float_digits = 1;
  set local bytea_output = 'hex';
  set local lc_monetary = 'C';
  set local xmlbinary = 'base64'`;

/** Quoted where a dot would make one name of two tables. */
function tableName({ schema, name }: Table): string {
  return [schema, name].map((part) => (part.includes(".") ? quoteName(part) : part)).join(".");
}

interface Table {
  readonly schema: string;
  readonly name: string;
  /** Columns of whole or decimal numbers. */
  readonly numbers: readonly string[];
  readonly extension: string | null;
}

/**
 * Reads what the tables of a database hold, within the caller's transaction: every row once, also of
 * tables that belong to an extension, and every large object. A table that cannot be read until `until` fails with 57014.
 */
export async function readContents(session: Session, until: number): Promise<Contents> {
  await session.query(FIXED_OUTPUT);
  const tables = await session.query<Table>(
    `select n.nspname as schema, c.relname as name,
       array(
         select a.attname::text from pg_catalog.pg_attribute as a
         where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
           and a.atttypid in ('pg_catalog.int2'::regtype, 'pg_catalog.int4'::regtype, 'pg_catalog.int8'::regtype,
             'pg_catalog.numeric'::regtype)
         order by a.attnum
       ) as numbers,
       (
         select x.extname::text
         from pg_catalog.pg_depend as d
         join pg_catalog.pg_extension as x on x.oid = d.refobjid
         where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.objsubid = 0 and d.deptype = 'e'
           and d.refclassid = 'pg_catalog.pg_extension'::regclass
       ) as extension
     from pg_catalog.pg_class as c
     join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
     where c.relkind = 'r' and c.relpersistence <> 't'
       and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
     order by 1, 2`,
  );
  const found: [string, TableContents][] = [];
  for (const table of tables.rows) {
    await session.query(`set local statement_timeout = ${millisecondsUntil(until)}`);
    found.push([tableName(table), await readTable(session, table)]);
  }
  await session.query(`set local statement_timeout = ${millisecondsUntil(until)}`);
  const large = await readLargeObjects(session);
  return Object.fromEntries(large === undefined ? found : [...found, [LARGE_OBJECTS, large]]);
}

/** In pieces of 1 MiB, since one may be larger than a value can be; none is kept. */
async function readLargeObjects(session: Session): Promise<TableContents | undefined> {
  const { rows } = await session.query<{ rows: string; hash: string; bytes: string }>(
    `with recursive pieces as (
       select o.oid, 0::bigint as at, p.hash, p.length
       from pg_catalog.pg_largeobject_metadata as o
       cross join lateral (
         select pg_catalog.md5(d.data) as hash, pg_catalog.length(d.data) as length
         from (select pg_catalog.lo_get(o.oid, 0, 1048576) as data offset 0) as d
       ) as p
       union all
       select o.oid, o.at + 1048576, p.hash, p.length
       from pieces as o
       cross join lateral (
         select pg_catalog.md5(d.data) as hash, pg_catalog.length(d.data) as length
         from (select pg_catalog.lo_get(o.oid, o.at + 1048576, 1048576) as data offset 0) as d
       ) as p
       where o.length = 1048576
     )
     select pg_catalog.count(*) filter (where p.at = 0)::text as rows, pg_catalog.sum(p.length)::text as bytes,
       pg_catalog.sum(pg_catalog.hashtextextended(pg_catalog.format('%s %s %s', p.oid, p.at, p.hash), 0))::text as hash
     from pieces as p
     having pg_catalog.count(*) > 0`,
  );
  const row = rows[0];
  return row && { rows: row.rows, hash: row.hash, sums: { bytes: row.bytes } };
}

async function readTable(session: Session, { schema, name, numbers, extension }: Table): Promise<TableContents> {
  // No column has this name, so that it means the row.
  const row = quoteName("merchant-jobs row");
  const sums = numbers.map((column) => `, pg_catalog.sum(${row}.${quoteName(column)})::text`).join("");
  const { rows } = await session.query<(string | null)[]>({
    text: `select pg_catalog.count(*)::text,
      coalesce(pg_catalog.sum(pg_catalog.hashtextextended(${row}::text, 0)), 0)::text${sums}
      from only ${quoteName(schema)}.${quoteName(name)} as ${row}`,
    rowMode: "array",
  });
  const [count, hash, ...totals] = rows[0] ?? [];
  return {
    rows: count ?? "",
    hash: hash ?? "",
    sums: Object.fromEntries(numbers.map((column, at) => [column, totals[at] ?? null])),
    ...(extension !== null && { extension }),
  };
}

const MOST_NAMED = 5;

/** What is different between two databases, table by table, in words; empty when nothing is. */
export function compareContents(before: Contents, after: Contents): readonly string[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  const all = names.flatMap((key) => {
    const [was, is] = [before[key], after[key]];
    const extension = was?.extension ?? is?.extension;
    const name = extension === undefined ? key : `${key} of extension ${extension}`;
    if (was === undefined) return [`${name} is new`];
    if (is === undefined) return [`${name} is missing`];
    if (was.rows !== is.rows) return [`${name} has ${is.rows} rows, not ${was.rows}`];
    const sums = Object.keys(was.sums).filter((column) => was.sums[column] !== is.sums[column]);
    const text = (sum: string | null | undefined) => sum ?? "nothing";
    if (sums.length > 0) {
      return sums.map((column) => `${name}.${column} sums to ${text(is.sums[column])}, not ${text(was.sums[column])}`);
    }
    return was.hash === is.hash ? [] : [`${name} has other rows`];
  });
  return all.length <= MOST_NAMED ? all : [...all.slice(0, MOST_NAMED), `and ${all.length - MOST_NAMED} more`];
}
