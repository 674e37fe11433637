import { appendFileSync, cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { applyAccess } from "../../../converge/access.ts";
import { applyCrontab } from "../../../converge/crontab.ts";
import { applyMigrations, readMigrations, type MigrationsTarget } from "../../../converge/migrations.ts";
import { readSqlFiles } from "../../../converge/sql-files.ts";
import type { MerchantSpec } from "../../../spec/merchants.ts";
import { filesOf, makeDatabase, prepareCell, specOf, sqlRoot, targetsOf } from "../../merchants.ts";
import { dropMerchantLeftovers, freshName, postgresMajor, revokeOwn, superuserClient } from "../../server.ts";

const prefix = freshName("mig");
let count = 0;
let spec: MerchantSpec;
let target: MigrationsTarget;
let root: string;

beforeAll(() => prepareCell());
beforeEach(async () => {
  count += 1;
  spec = specOf(`${prefix}${count}`);
  root = mkdtempSync(path.join(tmpdir(), "sql-"));
  cpSync(sqlRoot, root, { recursive: true });
  await makeDatabase(spec);
  target = { ...targetsOf(spec).migrations, root };
  return () => {
    rmSync(root, { recursive: true });
  };
});
afterAll(() => dropMerchantLeftovers(`merchant_${prefix}`));

const apply = () => applyMigrations(target, filesOf(target));

async function ask<T>(sql: string, values: unknown[] = []): Promise<T[]> {
  const client = await superuserClient(spec.database);
  try {
    return (await client.query(sql, values)).rows as T[];
  } finally {
    await client.end();
  }
}

test("an empty database gets everything once, and a second apply finds nothing to do", async () => {
  expect(await readMigrations(target)).toBeUndefined();
  expect(await apply()).toEqual(readSqlFiles(root, "merchant").map(({ name }) => name));
  expect(await apply()).toEqual([]);
  const found = await readMigrations(target);
  expect({ ...found?.migrations, ...found?.routines }).toEqual(filesOf(target));
  expect(found?.differs).toEqual({});
});

test("all that our files make belongs to the owner role", async () => {
  await apply();
  const owners = await ask<{ owner: string }>(
    `select distinct pg_get_userbyid(relowner) as owner from pg_class where relnamespace in ('app'::regnamespace, 'merchant_jobs'::regnamespace)
     union select pg_get_userbyid(proowner) from pg_proc where pronamespace = 'app'::regnamespace
     union select pg_get_userbyid(nspowner) from pg_namespace where nspname in ('app', 'merchant_jobs')`,
  );
  expect(owners).toEqual([{ owner: spec.ownerRole }]);
});

test("a changed routine is applied again, and with it the rights", async () => {
  await apply();
  appendFileSync(path.join(root, "merchant/engine/routines/run_job.sql"), "\n-- changed\n");
  expect(await apply()).toContain("engine/routines/run_job.sql");
  expect(await apply()).toEqual([]);
});

test("an edited applied migration stops the run by its name, before anything is applied", async () => {
  await apply();
  appendFileSync(path.join(root, "merchant/ledger/migrations/002_create_ledger.sql"), "\n-- edited\n");
  writeFileSync(path.join(root, "merchant/ledger/migrations/003_add_t.sql"), "create table app.t (id bigint);\n");
  await expect(apply()).rejects.toMatchObject({
    code: "migration_refused",
    message: expect.stringContaining(
      "ledger/migrations/002_create_ledger.sql was edited after it was applied",
    ) as string,
  });
  expect(await ask("select to_regclass('app.t') as t")).toEqual([{ t: null }]);
});

test("a missing applied migration stops the run by its name", async () => {
  await apply();
  rmSync(path.join(root, "merchant/ledger/migrations/002_create_ledger.sql"));
  await expect(apply()).rejects.toMatchObject({
    code: "migration_refused",
    message: expect.stringContaining(
      "ledger/migrations/002_create_ledger.sql was applied and its file is missing",
    ) as string,
  });
});

test("a failing migration reports file, line and caret, and leaves the database as it was", async () => {
  await apply();
  writeFileSync(
    path.join(root, "merchant/ledger/migrations/003_add_t.sql"),
    "create table app.t (id bigint);\nalter table app.lots\n  add column x nope;\n",
  );
  await expect(apply()).rejects.toMatchObject({
    code: "statement_failed",
    message: [
      'ledger/migrations/003_add_t.sql:3:16: type "nope" does not exist (42704)',
      "  3 |   add column x nope;",
      "    |                ^",
    ].join("\n"),
  });
  expect(await ask("select to_regclass('app.t') as t")).toEqual([{ t: null }]);
  rmSync(path.join(root, "merchant/ledger/migrations/003_add_t.sql"));
  expect(await apply()).toEqual([]);
  expect((await readMigrations(target))?.differs).toEqual({});
});

test("files that changed after the plan was made are refused, and nothing is applied", async () => {
  const planned = filesOf(target);
  appendFileSync(path.join(root, "merchant/access.sql"), "\n-- later\n");
  await expect(applyMigrations(target, planned)).rejects.toMatchObject({ code: "file_changed" });
  expect(await readMigrations(target)).toBeUndefined();
});

test("two runs at once apply everything once", async () => {
  const results = await Promise.all([apply(), apply(), apply()]);
  expect(results.flat().sort()).toEqual(
    readSqlFiles(root, "merchant")
      .map(({ name }) => name)
      .sort(),
  );
});

const wounds: readonly (readonly [string, string, string])[] = [
  ["a column dropped", "alter table app.lots drop column created_at", "column app.lots.created_at: gone"],
  ["a column added", "alter table app.lots add column mine text", "column app.lots.mine: nothing => text"],
  [
    "a column's type changed",
    "alter table app.lots alter column account type varchar(300)",
    "column app.lots.account: text => character varying(300)",
  ],
  ["a table dropped", "drop table app.idempotency_keys cascade", "table app.idempotency_keys: gone"],
];

test.for(wounds)("%s stays drift, also after a release: healing would lose data", async ([, statement, words]) => {
  await apply();
  await ask(statement);
  const shown = async () =>
    Object.entries((await readMigrations(target))?.differs ?? {}).map(([object, found]) => `${object}: ${found}`);
  expect(await shown()).toContain(words);
  const before = await shown();
  const refusal = { code: "not_healed", message: expect.stringContaining(words) as string };
  await expect(apply()).rejects.toMatchObject(refusal);
  appendFileSync(path.join(root, "merchant/engine/routines/run_job.sql"), "\n-- a release\n");
  await expect(apply()).rejects.toMatchObject(refusal);
  writeFileSync(path.join(root, "merchant/ledger/migrations/003_add_t.sql"), "create table app.t (id bigint);\n");
  await expect(apply()).rejects.toMatchObject(refusal);
  expect(await shown()).toEqual(expect.arrayContaining(before));
});

test("a migration that makes a dropped column again heals it", async () => {
  await apply();
  await ask("alter table app.lots drop column created_at");
  writeFileSync(
    path.join(root, "merchant/ledger/migrations/003_restore_created_at.sql"),
    `alter table app.lots add column created_at timestamptz not null default pg_catalog.clock_timestamp();\n`,
  );
  await apply();
  expect((await readMigrations(target))?.differs).toEqual({});
  expect(await apply()).toEqual([]);
});

test("after an upgrade of the server to another major version the expectations are recorded anew", async () => {
  await apply();
  // As version 14 printed it.
  await ask("update merchant_jobs.expected_objects set definition = 'major version 14' where object = 'server'");
  await ask("update merchant_jobs.expected_objects set definition = definition || ' ' where object like 'routine %'");
  const server = `major version 14 => major version ${postgresMajor()}, form 2`;
  expect((await readMigrations(target))?.differs).toEqual({ server });
  await apply();
  expect((await readMigrations(target))?.differs).toEqual({});
  await ask("drop index app.lots_due");
  expect((await readMigrations(target))?.differs).toEqual({ "index app.lots_due": "gone" });
});

test("what somebody else makes in our schema is theirs: it is not recorded and never drift", async () => {
  await apply();
  await ask("create function app.helper() returns int language sql as 'select 1'");
  appendFileSync(path.join(root, "merchant/engine/routines/run_job.sql"), "\n-- a release\n");
  await apply();
  await ask("drop function app.helper()");
  expect((await readMigrations(target))?.differs).toEqual({});
  expect(await apply()).toEqual([]);
});

test("a file that ends its transaction is refused by name", async () => {
  await apply();
  writeFileSync(
    path.join(root, "merchant/ledger/migrations/003_add_t.sql"),
    "create table app.t (id bigint);\ncommit;\n",
  );
  await expect(apply()).rejects.toMatchObject({
    code: "bad_files",
    message: expect.stringContaining("ledger/migrations/003_add_t.sql: the file ends the transaction") as string,
  });
});

test("functions of the first migrations are not PUBLIC's", async () => {
  await apply();
  expect(
    await ask(
      `select p.oid::regprocedure::text as f from pg_proc as p
       cross join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as item
       where p.pronamespace = 'app'::regnamespace and item.grantee = 0`,
    ),
  ).toEqual([]);
});

test("a merchant whose data is gone is not given an empty ledger in its place", async () => {
  await apply();
  await applyCrontab(targetsOf(spec).crontab);
  const admin = await superuserClient("postgres");
  await admin.query(`alter database ${spec.database} rename to ${spec.database}_old`);
  await admin.query(`create database ${spec.database} owner ${spec.ownerRole} template template0`);
  await admin.end();
  await expect(apply()).rejects.toMatchObject({ code: "data_missing" });
  expect(await readMigrations(target)).toBeUndefined();
});

test("an administrator that lost its membership in the owner role is a difference, not a failure", async () => {
  await apply();
  await ask(revokeOwn(spec.ownerRole));
  expect(await readMigrations(target)).toEqual({
    differs: { administrator: "platform_admin may not look into the database" },
  });
  await applyAccess(targetsOf(spec).access);
  expect((await readMigrations(target))?.differs).toEqual({});
});

test("what cannot be healed is said by name and does not become the truth", async () => {
  await apply();
  await ask(`alter procedure app.expire_lots() owner to postgres`);
  await expect(apply()).rejects.toMatchObject({
    code: "missing_right",
    message: expect.stringContaining(`alter routine app.expire_lots() owner to "${spec.ownerRole}";`) as string,
  });
  expect(Object.keys((await readMigrations(target))?.differs ?? {})).toEqual(["routine app.expire_lots()"]);
});
