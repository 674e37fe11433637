import path from "node:path";
import pg from "pg";
import { applyAccess } from "../converge/access.ts";
import type { AccessTarget } from "../converge/access-plan.ts";
import type { CellAddress } from "../converge/address.ts";
import { applyCrontab, type CrontabTarget } from "../converge/crontab.ts";
import { applyMigrations, type MigrationsTarget } from "../converge/migrations.ts";
import { filesFor, hashesOf, readSqlFiles, type Hashes } from "../converge/sql-files.ts";
import { batchFunctionOf } from "../spec/jobs.ts";
import type { Scheduler } from "../spec/cells.ts";
import type { MerchantSpec } from "../spec/merchants.ts";
import { parseStack } from "../spec/stack.ts";
import type { RunningServer } from "../local/postgres.ts";
import { adminClient, testServer } from "./server.ts";

/** The repository's SQL files. */
export const sqlRoot = path.join(import.meta.dirname, "..", "sql");

/** The test server, or another one, as a cell. */
export function testCell(server: RunningServer = testServer(), scheduler: Scheduler = "pg_cron"): CellAddress {
  const { host, port, admin, password } = server;
  return { cell: "home", scheduler, host, port, user: admin, password, tls: "disable" };
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
  const all = Object.values(spec.jobs);
  const jobs = Object.fromEntries(all.map((job) => [job.name, { ...job, active: job.enabled && !suspended }]));
  const engineJobs = Object.fromEntries(
    all.flatMap(({ name, command, due, timezone, enabled, batches }) => {
      const row = { due, timezone, enabled: enabled && !suspended, batchFunction: batchFunctionOf(command) };
      return batches === undefined ? [] : [[name, { ...row, ...batches }]];
    }),
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
    crontab: { address, merchant, database, jobRole, suspended, jobs, engineJobs } satisfies CrontabTarget,
  };
}

/** The hashes that inputs would carry for the files as they are now. */
export function filesOf({ root, set, address }: Pick<MigrationsTarget, "root" | "set" | "address">): Hashes {
  const { migrations, routines } = hashesOf(filesFor(readSqlFiles(root, set), address.scheduler));
  return { ...migrations, ...routines };
}

/** Makes the cron database of the test server ready, as a Cell does. */
export async function prepareCell(address: CellAddress = testCell()): Promise<void> {
  const cron = { address, database: "cron", set: "cron", root: sqlRoot } as const;
  await applyMigrations(cron, filesOf(cron));
}

/** Makes the owner role and the database, as the resources of the PostgreSQL provider do, and nothing else. */
export async function makeDatabase(
  spec: MerchantSpec,
  server: RunningServer = testServer(),
  address: CellAddress = testCell(server),
): Promise<void> {
  const admin = await adminClient("postgres", server);
  try {
    const owner = pg.escapeIdentifier(spec.ownerRole);
    await admin.query(`create role ${owner}`);
    await admin.query(`grant pg_read_all_stats to ${owner}`);
    await applyAccess(targetsOf(spec, address).access);
    await admin.query(`create database ${pg.escapeIdentifier(spec.database)} owner ${owner} template template0`);
  } finally {
    await admin.end();
  }
}

/** Onboards a merchant through converge, and gives its targets. */
export async function onboard(
  spec: MerchantSpec,
  root = sqlRoot,
  server: RunningServer = testServer(),
  scheduler: Scheduler = "pg_cron",
) {
  const address = testCell(server, scheduler);
  const targets = targetsOf(spec, address, root);
  await makeDatabase(spec, server, address);
  await applyMigrations(targets.migrations, filesOf(targets.migrations));
  await applyCrontab(targets.crontab);
  return targets;
}
