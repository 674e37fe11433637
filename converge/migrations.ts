import { readFileSync } from "node:fs";
import path from "node:path";
import type { RoleNames } from "../spec/names.ts";
import type { CellAddress } from "./address.ts";
import { ConvergeError, codeOf, SQLSTATE } from "./errors.ts";
import { type History, isEmptyPlan, type MigrationsPlan, planMigrations } from "./migrations-plan.ts";
import {
  type Differences,
  differencesOf,
  expectationAfter,
  readExpected,
  readObjects,
  recordExpected,
} from "./objects.ts";
import { assertNotLost } from "./registry.ts";
import { runFile } from "./run-file.ts";
import { actAs } from "./roles.ts";
import { isMissingDatabase, lockInTransaction, type Session, withSession, withTransaction } from "./session.ts";
import { assertSameFiles, type Hashes, readSqlFiles, shortHash, type SqlFile, type SqlSet } from "./sql-files.ts";

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
    return await withSession(target.address, target.database, async (session) => {
      if (!(await hasHistory(session))) return undefined;
      return withTransaction(session, async () => {
        await session.query("set transaction read only");
        const history = await readHistory(session);
        const of = (kind: string) =>
          Object.fromEntries(
            [...history].filter(([, row]) => row.kind === kind).map(([file, row]) => [file, shortHash(row.sha256)]),
          );
        const differs = differencesOf(await readExpected(session), await readObjects(session));
        return { migrations: of("migration"), routines: of("routine"), differs };
      });
    });
  } catch (error) {
    if (isMissingDatabase(error)) return undefined;
    // The administrator is no member of the owner role any more: Access makes it one again, and this looks then.
    if (codeOf(error) !== SQLSTATE.insufficientPrivilege) throw error;
    return { differs: { administrator: `${target.address.user} may not look into the database` } };
  }
}

/**
 * Brings a database to what the files say, and gives what was applied, in order. Each migration commits by itself;
 * routines, rights and the record of how our objects look commit together, last. Throws `file_changed` when the files
 * are not the expected ones, `migration_refused` when the history cannot go on, `statement_failed` for a statement.
 */
export async function applyMigrations(target: MigrationsTarget, expected: Hashes): Promise<readonly string[]> {
  const files = readSqlFiles(target.root, target.set);
  assertSameFiles(files, expected);
  return withSession(target.address, target.database, async (session) => {
    const applied: string[] = [];
    for (;;) {
      const done = await withTransaction(session, async () => {
        await lockInTransaction(session, "migrations");
        await actAs(session, target.roles?.ownerRole);
        if (!(await hasHistory(session))) await startHistory(session, target);
        const expected = await readExpected(session);
        const before = await readObjects(session);
        const damaged = Object.keys(differencesOf(expected, before)).length > 0;
        const plan = planOrRefuse(target, planMigrations(files, await readHistory(session), damaged));
        const next = plan.migrations[0];
        const run = next === undefined ? plan.routines : [next];
        for (const file of run) await applyFile(session, target, file);
        if (next !== undefined) {
          // Routines and rights must follow, also when this run is stopped here: the next one sees that rights are due.
          await forget(session, namesOf(files.filter((file) => file.kind === "access")));
        } else {
          await forget(session, plan.forgotten);
        }
        if (target.roles && !isEmptyPlan(plan)) {
          const after = await readObjects(session);
          // What only heals must end as it was; or drift would become the truth.
          const expectation = plan.filesChanged ? expectationAfter(expected, before, after) : expected;
          if (next === undefined) assertHealed(target, differencesOf(expectation, after));
          await recordExpected(session, expectation);
        }
        applied.push(...namesOf(run));
        return next === undefined;
      });
      if (done) return applied;
    }
  });
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

function assertHealed(target: MigrationsTarget, left: Differences): void {
  const objects = Object.keys(left);
  if (objects.length === 0) return;
  throw new ConvergeError(
    "not_healed",
    `database ${target.database} of cell ${target.address.cell}: ${objects.join(", ")} differ from what our files make, ` +
      "and applying them again does not change that; nothing was applied: repair them by hand, or by a migration",
  );
}

function namesOf(files: readonly SqlFile[]): readonly string[] {
  return files.map(({ name }) => name);
}

async function forget(session: Session, names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  await session.query("delete from merchant_jobs.applied_files where kind = 'routine' and file = any ($1::text[])", [
    names,
  ]);
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
