import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import pg from "pg";
import type { RoleNames } from "../spec/names.ts";
import { copyOldRuns, moveOldRuns } from "./adoption-runs.ts";
import { ConvergeError, codeOf, messageOf, SQLSTATE } from "./errors.ts";
import { needsPerson, planHealing } from "./heal-plan.ts";
import type { MigrationsTarget } from "./migrations.ts";
import {
  describeDifferences,
  type Difference,
  type Objects,
  readExpected,
  readObjects,
  recordExpected,
  SERVER,
} from "./objects.ts";
import { actAs, quoteName } from "./roles.ts";
import { runFile } from "./run-file.ts";
import { lockInTransaction, type Session, withCronSession, withSession, withTransaction } from "./session.ts";
import { readSqlFiles, type SqlFile } from "./sql-files.ts";

/** A merchant's database that was made by hand. */
export interface AdoptionTarget extends MigrationsTarget {
  readonly merchant: string;
  readonly roles: RoleNames;
  /** Procedures of the catalogue, as `app.expire_lots`: functions of these names have to go. */
  readonly procedures: readonly string[];
}

/** A migration and what it makes in an empty database. */
interface Made {
  readonly file: SqlFile;
  readonly objects: Objects;
}

/**
 * Makes a database that was made by hand one that the migrations go on from, in one transaction, and keeps every row.
 * Functions that are procedures now are dropped. An old `app.job_runs` is kept as it is in schema
 * `before_merchant_jobs`, and its rows are copied into the new one. A migration whose tables are all there counts as
 * applied, after what they lack besides columns was made. Gives what it did, in words; nothing for a database that has a
 * history already. Throws `not_adopted` with everything that a person must do first.
 */
export async function adoptDatabase(target: AdoptionTarget): Promise<readonly string[]> {
  const migrations = readSqlFiles(target.root, target.set).filter(({ kind }) => kind === "migration");
  if (await withSession(target.address, target.database, isAdopted)) return [];
  const made = await readMade(target, migrations);
  return explained(target, () => adoptInTransaction(target, made));
}

/** What the server itself refuses is a person's to mend too: the transaction is undone, and nothing was changed. */
async function explained<T>(target: AdoptionTarget, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof pg.DatabaseError)) throw error;
    const { code = "", message, detail } = error;
    const way = WAYS_OUT[code] ?? "mend what it names, or make the database as the migrations do";
    throw refused(
      target,
      [`the server refused (SQLSTATE ${code}): ${message}${detail === undefined ? "" : ` (${detail})`}: ${way}`],
      error,
    );
  }
}

/** What to do about an error of the server, by its SQLSTATE. */
const WAYS_OUT: Readonly<Record<string, string>> = {
  [SQLSTATE.dependentObjectsStillExist]:
    "drop what depends on it, or let it depend on something else, and make it anew after the next up",
  [SQLSTATE.lockNotAvailable]:
    "a session holds it: wait for its end, or look in pg_stat_activity and pg_locks whose it is",
  "22007": "a column of app.job_runs that should hold times holds something else: mend the row, or rename the column",
  "22008": "a column of app.job_runs that should hold times holds something else: mend the row, or rename the column",
};

function adoptInTransaction(target: AdoptionTarget, made: readonly Made[]): Promise<readonly string[]> {
  return withSession(target.address, target.database, (session) =>
    withTransaction(session, async () => {
      await lockInTransaction(session, "migrations");
      if (await isAdopted(session)) return [];
      await assertOwned(session, target);
      await actAs(session, target.roles.ownerRole);
      await session.query(readFileSync(path.join(target.root, "history.sql"), "utf8"));
      const said = [...(await dropFunctions(session, target)), ...(await moveOldRuns(session))];
      for (const one of made) said.push(await applyOrTakeOver(session, target, one));
      said.push(...(await copyOldRuns(session)));
      await expectWhatIsThere(session, made);
      return said;
    }),
  );
}

async function isAdopted(session: Session): Promise<boolean> {
  const { rows } = await session.query<{ there: boolean }>(
    "select pg_catalog.to_regclass('merchant_jobs.applied_files') is not null as there",
  );
  return rows[0]?.there === true;
}

/** What each migration makes, found by applying them to an empty database that nobody else may enter. */
async function readMade(target: AdoptionTarget, migrations: readonly SqlFile[]): Promise<readonly Made[]> {
  const { address, merchant, root, roles } = target;
  const prefix = `mj-adopt-${merchant}-`;
  const scratch = `${prefix}${randomBytes(4).toString("hex")}`;
  const owner = quoteName(roles.ownerRole);
  await dropScratch(target, prefix);
  await withCronSession(address, async (session) => {
    await session.query(`create database ${quoteName(scratch)} owner ${owner} template template0`);
    await session.query(`revoke all on database ${quoteName(scratch)} from public`);
  });
  try {
    return await withSession(address, scratch, (session) =>
      withTransaction(session, async () => {
        await actAs(session, roles.ownerRole);
        await session.query(readFileSync(path.join(root, "history.sql"), "utf8"));
        const made: Made[] = [];
        let before = await readObjects(session);
        for (const file of migrations) {
          await runFile(session, file);
          const after = await readObjects(session);
          const objects = [...after].filter(([name, { definition }]) => before.get(name)?.definition !== definition);
          made.push({ file, objects: new Map(objects) });
          before = after;
        }
        return made;
      }),
    );
  } finally {
    await dropScratch(target, prefix);
  }
}

async function dropScratch({ address }: AdoptionTarget, prefix: string): Promise<void> {
  await withCronSession(address, async (session) => {
    const left = await session.query<{ name: string }>(
      "select d.datname as name from pg_catalog.pg_database as d where pg_catalog.starts_with(d.datname, $1::text)",
      [prefix],
    );
    for (const { name } of left.rows) await session.query(`drop database if exists ${quoteName(name)} with (force)`);
  });
}

/** What the owner role does not own, it cannot change. */
async function assertOwned(session: Session, target: AdoptionTarget): Promise<void> {
  const { rows } = await session.query<{ statement: string }>(
    `select pg_catalog.format('alter %s %s owner to %I;', o.kind, o.name, $1::text) as statement
     from (
       select 'schema' as kind, pg_catalog.quote_ident(n.nspname) as name, n.nspowner as owner
       from pg_catalog.pg_namespace as n where n.nspname = 'app'
       union all
       select case c.relkind when 'v' then 'view' when 'm' then 'materialized view' else 'table' end,
         c.oid::regclass::text, c.relowner
       from pg_catalog.pg_class as c
       where c.relnamespace = pg_catalog.to_regnamespace('app') and c.relkind in ('r', 'p', 'v', 'm')
       union all
       select 'routine', p.oid::regprocedure::text, p.proowner
       from pg_catalog.pg_proc as p where p.pronamespace = pg_catalog.to_regnamespace('app') and p.prokind in ('f', 'p')
     ) as o
     where pg_catalog.pg_get_userbyid(o.owner) <> $1::text
     order by 1`,
    [target.roles.ownerRole],
  );
  if (rows.length === 0) return;
  throw refused(target, [
    `not everything in schema app belongs to ${target.roles.ownerRole}; a superuser can, in that database:`,
    ...rows.map(({ statement }) => statement),
  ]);
}

async function dropFunctions(session: Session, { procedures }: AdoptionTarget): Promise<readonly string[]> {
  const { rows } = await session.query<{ name: string }>(
    `select p.oid::regprocedure::text as name
     from pg_catalog.pg_proc as p
     join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
     where p.prokind = 'f' and n.nspname || '.' || p.proname = any ($1::text[])
     order by 1`,
    [procedures],
  );
  for (const { name } of rows) await session.query(`drop function ${name}`);
  return rows.map(({ name }) => `dropped the function ${name}: up makes the procedure of its name`);
}

/** Gives what was done, in words. */
async function applyOrTakeOver(session: Session, target: AdoptionTarget, { file, objects }: Made): Promise<string> {
  const tables = [...objects.keys()].filter((name) => name.startsWith("table "));
  const found = await readObjects(session);
  const there = tables.filter((name) => found.has(name));
  if (there.length > 0 && there.length < tables.length) {
    const missing = tables.filter((name) => !found.has(name));
    throw refused(target, [
      `${file.name} makes ${there.join(", ")}, which is there, and ${missing.join(", ")}, which is not: make that by hand ` +
        "as the file does, or rename what is there",
    ]);
  }
  const healed = there.length === 0 ? undefined : await completeObjects(session, target, objects, found);
  if (healed === undefined) await runFile(session, file);
  await session.query(
    "insert into merchant_jobs.applied_files (file, kind, sha256) values ($1::text, 'migration', $2::text)",
    [file.name, file.sha256],
  );
  return healed === undefined
    ? `applied ${file.name}`
    : `took ${there.join(", ")} for what ${file.name} makes, and made ${healed} of its other objects as it does`;
}

/** Makes what tables that are there lack: constraints, indexes, triggers, defaults, comments. Columns are a person's. */
async function completeObjects(
  session: Session,
  target: AdoptionTarget,
  objects: Objects,
  found: Objects,
): Promise<number> {
  const differences = [...objects]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([object, declared]): Difference => ({ object, declared, found: found.get(object) }))
    // The rights follow with the next up.
    .filter(
      ({ object, declared, found: is }) => is?.definition !== declared?.definition && !/^(rights|schema) /.test(object),
    );
  const forPerson = differences.filter(needsPerson);
  if (forPerson.length > 0) {
    const words = Object.entries(describeDifferences(forPerson)).map(([object, how]) => `${object}: ${how}`);
    throw refused(target, ["these columns are not what the migrations make; change them by hand first:", ...words]);
  }
  const steps = planHealing(differences);
  for (const { object, statement } of steps) {
    try {
      await session.query(statement);
    } catch (error) {
      const why = `${messageOf(error)} (${codeOf(error) ?? "no code"})`;
      throw refused(target, [`${object} cannot be made by: ${statement}: ${why}`], error);
    }
  }
  return steps.length;
}

/** What is there now is what is expected later; also what somebody added to tables that are ours from now on. */
async function expectWhatIsThere(session: Session, made: readonly Made[]): Promise<void> {
  const names = new Set(made.flatMap(({ objects }) => [...objects.keys()]));
  const parents = new Set([
    "applied migrations",
    ...made.flatMap(({ objects }) => [...objects.values()].map(({ parent }) => parent)),
  ]);
  const expected = [...(await readObjects(session))].filter(
    ([name, { parent }]) => name === SERVER || names.has(name) || (parent !== null && parents.has(parent)),
  );
  await recordExpected(session, await readExpected(session), new Map(expected));
}

function refused(target: AdoptionTarget, reasons: readonly string[], cause?: unknown): ConvergeError {
  const { merchant, database, address } = target;
  return new ConvergeError(
    "not_adopted",
    [
      `merchant ${merchant}: database ${database} of cell ${address.cell} was not adopted, nothing in it was changed:`,
      ...reasons,
    ].join("\n- "),
    { cause },
  );
}
