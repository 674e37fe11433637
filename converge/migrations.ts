import { readFileSync } from "node:fs";
import path from "node:path";
import type { RoleNames } from "../spec/names.ts";
import type { CellAddress } from "./address.ts";
import { readCellJobDifferences, removeCellJobs } from "./cell-jobs.ts";
import { ConvergeError, codeOf, messageOf, SQLSTATE } from "./errors.ts";
import { type History, isEmptyPlan, type MigrationsPlan, planMigrations } from "./migrations-plan.ts";
import { needsPerson, planHealing, rightsBack } from "./heal-plan.ts";
import {
  describeDifferences,
  type Difference,
  type Differences,
  expectationAfter,
  expectationAnew,
  type Objects,
  readDifferences,
  readExpected,
  readObjects,
  recordExpected,
  SERVER,
} from "./objects.ts";
import { assertNotLost } from "./registry.ts";
import { runFile } from "./run-file.ts";
import { actAs } from "./roles.ts";
import { isForbidden, isMissingDatabase } from "./refusals.ts";
import {
  isShutDatabase,
  lockInTransaction,
  type Session,
  withSession,
  withSharedSession,
  withSteadyTransaction,
} from "./session.ts";
import {
  assertSameFiles,
  comesWithPgCron,
  filesFor,
  hashesOf,
  type Hashes,
  readSqlFiles,
  shortHash,
  type SqlFile,
  type SqlSet,
} from "./sql-files.ts";

/** A database and what must be applied to it. */
export interface MigrationsTarget {
  readonly address: CellAddress;
  readonly database: string;
  readonly set: SqlSet;
  /** Folder of the SQL files: the repository's `sql/`. */
  readonly root: string;
  /** Owns all our objects; undefined in the cron database, where the administrator does. */
  readonly roles?: RoleNames;
}

/** What a database says of itself; without the files when the administrator may not look into it. */
export interface MigrationsState {
  readonly migrations?: Hashes;
  readonly routines?: Hashes;
  /** Objects of ours that are not as they were right after the last apply. */
  readonly differs: Differences;
}

/** Reads what was applied, and what differs; undefined when the database or our history in it is not there. */
export async function readMigrations(target: MigrationsTarget): Promise<MigrationsState | undefined> {
  try {
    return await withSharedSession(target.address, target.database, async (session) => {
      if (!(await hasHistory(session))) return undefined;
      return withSteadyTransaction(session, async () => {
        await session.query("set transaction read only");
        const history = await readHistory(session);
        const { migrations, routines } = hashesOf([...history].map(([name, row]) => ({ name, ...row })));
        const differences = await differencesIn(session, target);
        // A row that was damaged by hand is a difference, and no migration that is due: it is healed like an object.
        return {
          migrations: asRecorded(migrations, differences),
          routines,
          differs: describeDifferences(differences),
        };
      });
    });
  } catch (error) {
    if (isMissingDatabase(error)) return undefined;
    if (await isShutDatabase(target.address, target.database, error))
      return { differs: { database: "accepts no connections" } };
    // The administrator is no member of the owner role any more: Access makes it one again, and this looks then.
    if (!isForbidden(error)) throw error;
    return { differs: { administrator: `${target.address.user} may not look into the database` } };
  }
}

/**
 * Brings a database to what the files say, and gives what was applied, in order. Each migration commits by itself;
 * routines, rights and the record of how our objects look commit together, last. Throws `file_changed` when the files
 * are not the expected ones, `migration_refused` when the history cannot go on, `statement_failed` for a statement.
 */
export async function applyMigrations(target: MigrationsTarget, expected: Hashes): Promise<readonly string[]> {
  const files = filesFor(readSqlFiles(target.root, target.set), target.address.scheduler);
  assertSameFiles(files, expected);
  if (target.roles === undefined) await removeCellJobs(target.address);
  return withSession(target.address, target.database, async (session) => {
    const applied: string[] = [];
    // How everything looked at the end of the transaction before, where nothing was damaged: the next begins there.
    let seen: Objects | undefined;
    for (;;) {
      const round = await withSteadyTransaction(session, async () => {
        await lockInTransaction(session, "migrations");
        await actAs(session, target.roles?.ownerRole);
        if (!(await hasHistory(session))) await startHistory(session, target);
        const differences = seen ? [] : await differencesIn(session, target);
        const damaged = differences.length > 0;
        await heal(session, target, differences);
        const plan = planOrRefuse(target, planMigrations(files, await readHistory(session), damaged));
        if (isEmptyPlan(plan)) return { ran: [], last: true };
        const upgraded = differences.some(({ object }) => object === SERVER);
        // What only heals must end as it was; or drift would become the truth. So the expectation stays as it is.
        const remembered =
          target.roles && (upgraded || plan.filesChanged)
            ? { expected: await readExpected(session), before: seen ?? (await readObjects(session)) }
            : undefined;
        const next = plan.migrations[0];
        const run = next === undefined ? plan.routines : [next];
        // Before the rights on a table that is gone fail in their own words.
        if (next === undefined && damaged) {
          const left = await differencesIn(session, target);
          if (left.some(needsPerson)) assertHealed(target, left);
        }
        for (const file of run) await applyFile(session, target, file);
        if (next !== undefined) {
          // Routines and rights must follow, also when this run is stopped here: the next one sees that rights are due.
          await forget(session, namesOf(files.filter((file) => file.kind === "access")));
        } else {
          await forget(session, plan.forgotten);
        }
        const after = remembered && (await readObjects(session));
        if (remembered && after) {
          const { expected: was, before } = remembered;
          await recordExpected(session, was, (upgraded ? expectationAnew : expectationAfter)(was, before, after));
        }
        // Where nothing was damaged, what the files made is what was just recorded.
        if (target.roles && damaged && next === undefined) assertHealed(target, await readDifferences(session));
        return { ran: namesOf(run), last: next === undefined, after: damaged ? undefined : after };
      });
      applied.push(...round.ran);
      if (round.last) return applied;
      seen = round.after;
    }
  });
}

/** The cron database has no expectations: the administrator owns it, and others may keep things there. */
function differencesIn(session: Session, target: MigrationsTarget): Promise<readonly Difference[]> {
  return target.roles ? readDifferences(session) : readCellJobDifferences(session, target.address);
}

async function startHistory(session: Session, target: MigrationsTarget): Promise<void> {
  if (target.roles) await assertNotLost(target.address, target.database);
  await session.query(readFileSync(path.join(target.root, "history.sql"), "utf8"));
}

function planOrRefuse(target: MigrationsTarget, plan: ReturnType<typeof planMigrations>): MigrationsPlan {
  if (!("refused" in plan)) return plan;
  const where = `database ${target.database} of cell ${target.address.cell}`;
  throw new ConvergeError(
    "migration_refused",
    [`${where}: nothing was applied, because`, ...plan.refused].join("\n- "),
  );
}

async function applyFile(session: Session, target: MigrationsTarget, file: SqlFile): Promise<void> {
  if (file.kind === "access") {
    await actAs(session, undefined);
    await session.query(
      `select pg_catalog.set_config('merchant_jobs.owner_role', $1, true), pg_catalog.set_config('merchant_jobs.app_role', $2, true),
        pg_catalog.set_config('merchant_jobs.job_role', $3, true)`,
      [target.roles?.ownerRole, target.roles?.appRole, target.roles?.jobRole],
    );
  }
  await runFile(session, file);
  await actAs(session, target.roles?.ownerRole);
  await session.query(
    `insert into merchant_jobs.applied_files (file, kind, sha256) values ($1::text, $2::text, $3::text)
     on conflict (file) do update set sha256 = excluded.sha256, applied_at = pg_catalog.clock_timestamp()`,
    [file.name, file.kind === "migration" ? "migration" : "routine", file.sha256],
  );
}

/** Makes damaged objects as they were, as far as that loses no data. */
async function heal(session: Session, target: MigrationsTarget, differences: readonly Difference[]): Promise<void> {
  for (const { object, statement, as } of planHealing(differences)) {
    if (as === "administrator") await actAs(session, undefined);
    try {
      await session.query(statement);
    } catch (error) {
      throw notHealed(target, object, statement, error);
    }
    if (as === "administrator") await actAs(session, target.roles?.ownerRole);
  }
}

function notHealed(target: MigrationsTarget, object: string, statement: string, error: unknown): ConvergeError {
  const where = `database ${target.database} of cell ${target.address.cell}: ${object} is not as it was made`;
  const why = `${messageOf(error)} (${codeOf(error) ?? "no code"})`;
  if (codeOf(error) === SQLSTATE.insufficientPrivilege) {
    return new ConvergeError(
      "missing_right",
      `${where}, and ${target.address.user} may not heal it: ${why}; nothing was applied; a superuser can, in that ` +
        `database: ${statement};`,
      { cause: error },
    );
  }
  const way =
    codeOf(error) === SQLSTATE.dependentObjectsStillExist
      ? "; what depends on it is not ours: drop that first, and make it again afterwards"
      : "";
  return new ConvergeError(
    "statement_failed",
    `${where}, and cannot be healed by: ${statement}: ${why}; nothing was applied${way}`,
    { cause: error },
  );
}

/** The applied migrations without what somebody did to the rows of the history. */
function asRecorded(history: Hashes, differences: readonly Difference[]): Hashes {
  const recorded = new Map(Object.entries(history));
  for (const { object, declared } of differences) {
    const file = /^applied file (.*)$/.exec(object)?.[1];
    if (file === undefined) continue;
    if (declared) recorded.set(file, shortHash(declared.definition));
    else recorded.delete(file);
  }
  return Object.fromEntries(recorded);
}

function assertHealed(target: MigrationsTarget, left: readonly Difference[]): void {
  if (left.length === 0) return;
  const found = describeDifferences(left);
  const words = left.map((difference) => {
    const { object } = difference;
    const statement = rightsBack(difference);
    return `${object}: ${found[object] ?? ""}${statement === undefined ? "" : `; in that database: ${statement}`}`;
  });
  throw new ConvergeError(
    "not_healed",
    [
      `database ${target.database} of cell ${target.address.cell}: nothing was applied, because healing would lose data, ` +
        "or our files do not make it; repair it by hand, or write a migration that says what shall be:",
      ...words,
    ].join("\n- "),
  );
}

function namesOf(files: readonly SqlFile[]): readonly string[] {
  return files.map(({ name }) => name);
}

async function forget(session: Session, names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  await session.query(
    `delete from merchant_jobs.applied_files
     where file = any ($1::text[]) and (kind = 'routine' or file = any ($2::text[]))`,
    [names, names.filter(comesWithPgCron)],
  );
}

async function hasHistory(session: Session): Promise<boolean> {
  const found = await session.query<{ found: boolean }>(
    "select pg_catalog.to_regclass('merchant_jobs.applied_files') is not null as found",
  );
  return found.rows[0]?.found === true;
}

async function readHistory(session: Session): Promise<History> {
  const rows = await session.query<{ file: string; kind: "migration" | "routine"; sha256: string }>(
    "select f.file, f.kind, f.sha256 from merchant_jobs.applied_files as f order by f.file",
  );
  return new Map(rows.rows.map(({ file, kind, sha256 }) => [file, { kind, sha256 }]));
}
