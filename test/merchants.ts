import path from "node:path";
import pg from "pg";
import { applyAccess } from "../converge/access.ts";
import type { AccessTarget } from "../converge/access-plan.ts";
import type { CellAddress } from "../converge/address.ts";
import { applyCrontab, type CrontabTarget } from "../converge/crontab.ts";
import { applyMigrations, type MigrationsTarget } from "../converge/migrations.ts";
import { hashesOf, readSqlFiles, type Hashes } from "../converge/sql-files.ts";
import { batchFunctionOf } from "../spec/jobs.ts";
import type { MerchantSpec } from "../spec/merchants.ts";
import { parseStack } from "../spec/stack.ts";
import type { RunningServer } from "../local/postgres.ts";
import { adminClient, testServer } from "./server.ts";

/** The repository's SQL files. */
export const sqlRoot = path.join(import.meta.dirname, "..", "sql");

/** The test server, or another one, as a cell. */
export function testCell(server: RunningServer = testServer()): CellAddress {
  const { host, port, admin, password } = server;
  return { cell: "home", host, port, user: admin, password, tls: "disable" };
}

/** What a merchant is when its line in the stack file says nothing, or `line`. */
export function specOf(id: string, line: object = {}): MerchantSpec {
  const merchant = parseStack({ cells: { home: { kind: "local" } }, merchants: { [id]: line } }).merchants[0];
  if (merchant === undefined) throw new Error(`${id} is no merchant`);
  return merchant;
}

/** The targets of converge for a merchant. */
export function targetsOf(spec: MerchantSpec, address: CellAddress = testCell(), root = sqlRoot) {
  const { id: merchant, database, ownerRole, appRole, jobRole, suspended } = spec;
  const jobs = Object.fromEntries(
    Object.values(spec.jobs).map((job) => [
      job.name,
      { ...job, active: job.enabled && !suspended, batchFunction: batchFunctionOf(job.command) },
    ]),
  );
  return {
    access: { address, merchant, ownerRole, appRole, jobRole } satisfies AccessTarget,
    migrations: {
      address,
      database,
      root,
      set: "merchant",
      roles: { ownerRole, appRole, jobRole },
    } satisfies MigrationsTarget,
    crontab: { address, merchant, database, jobRole, suspended, jobs, engineJobs: jobs } satisfies CrontabTarget,
  };
}

/** The hashes that inputs would carry for the files as they are now. */
export function filesOf(target: Pick<MigrationsTarget, "root" | "set">): Hashes {
  const { migrations, routines } = hashesOf(readSqlFiles(target.root, target.set));
  return { ...migrations, ...routines };
}

/** Makes the cron database of the test server ready, as a Cell does. */
export async function prepareCell(address: CellAddress = testCell()): Promise<void> {
  const cron = { address, database: "cron", set: "cron", root: sqlRoot } as const;
  await applyMigrations(cron, filesOf(cron));
}

/** Makes the owner role and the database, as the resources of the PostgreSQL provider do, and nothing else. */
export async function makeDatabase(spec: MerchantSpec, server: RunningServer = testServer()): Promise<void> {
  const admin = await adminClient("postgres", server);
  try {
    const owner = pg.escapeIdentifier(spec.ownerRole);
    await admin.query(`create role ${owner}`);
    await admin.query(`grant pg_read_all_stats to ${owner}`);
    await applyAccess(targetsOf(spec, testCell(server)).access);
    await admin.query(`create database ${pg.escapeIdentifier(spec.database)} owner ${owner} template template0`);
  } finally {
    await admin.end();
  }
}

/** Onboards a merchant through converge, and gives its targets. */
export async function onboard(spec: MerchantSpec, root = sqlRoot, server: RunningServer = testServer()) {
  const targets = targetsOf(spec, testCell(server), root);
  await makeDatabase(spec, server);
  await applyMigrations(targets.migrations, filesOf(targets.migrations));
  await applyCrontab(targets.crontab);
  return targets;
}
