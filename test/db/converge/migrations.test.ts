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
import { dropMerchantLeftovers, freshName, superuserClient } from "../../server.ts";

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
  expect(results.flat().sort()).toEqual(Object.keys(filesOf(target)).sort());
});

const damages: readonly (readonly [string, string, RegExp])[] = [
  ["a body edited by a space", "replace", /^routine app\.fail_run/],
  ["a dropped routine", "drop procedure app.expire_lots()", /^routine app\.expire_lots\(\)$/],
  [
    "SECURITY DEFINER taken away",
    "alter function app.begin_run(text, timestamptz) security invoker",
    /^routine app\.begin_run/,
  ],
  ["a SET clause changed", "alter function app.run_batch(bigint) set lock_timeout = '1h'", /^routine app\.run_batch/],
  [
    "EXECUTE given to PUBLIC",
    "grant execute on function app.begin_run(text, timestamptz) to public",
    /^routine app\.begin_run/,
  ],
  ["CONNECT given to PUBLIC", "grant connect on database DB to public", /^database$/],
  ["CREATE on a schema given away", "grant create on schema app to APP", /^schema app$/],
  ["a setting of the job role", "alter role JOB in database DB set statement_timeout = '9h'", /^settings of role/],
  ["a right on a table given away", "grant delete on app.job_runs to APP", /^rights on table app\.job_runs$/],
  ["a right on a table taken away", "revoke select on app.lots from APP", /^rights on table app\.lots$/],
  ["the job role's connection limit", "alter role JOB connection limit -1", /^connection limit of role/],
  ["a right handed on", "grant usage on schema app to APP with grant option", /^schema app$/],
  ["a comment", "comment on procedure app.expire_lots() is 'mine'", /^routine app\.expire_lots\(\)$/],
];

test.each(damages)("%s is drift by the object's name, and is healed", async (_what, statement, object) => {
  await apply();
  const sql =
    statement === "replace"
      ? (await ask<{ d: string }>("select pg_get_functiondef('app.fail_run'::regproc) as d"))[0]!.d.replace(
          "begin",
          "begin ",
        )
      : statement.replace("DB", spec.database).replace("APP", spec.appRole).replace("JOB", spec.jobRole);
  await ask(sql);
  const differs = Object.keys((await readMigrations(target))?.differs ?? {});
  expect(differs).toEqual([expect.stringMatching(object)]);
  expect(await apply()).not.toEqual([]);
  expect((await readMigrations(target))?.differs).toEqual({});
  expect(await apply()).toEqual([]);
});

test("damage that only a migration's file would make right stays drift, also after a release", async () => {
  await apply();
  await ask(
    "create or replace function app.refuse_ledger_change() returns trigger language plpgsql as 'begin return null; end'",
  );
  const object = "routine app.refuse_ledger_change()";
  expect(Object.keys((await readMigrations(target))?.differs ?? {})).toEqual([object]);
  await expect(apply()).rejects.toMatchObject({ code: "not_healed" });
  appendFileSync(path.join(root, "merchant/engine/routines/run_job.sql"), "\n-- a release\n");
  await expect(apply()).rejects.toMatchObject({
    code: "not_healed",
    message: expect.stringContaining(object) as string,
  });
  writeFileSync(path.join(root, "merchant/ledger/migrations/003_add_t.sql"), "create table app.t (id bigint);\n");
  await expect(apply()).rejects.toMatchObject({ code: "not_healed" });
  expect(Object.keys((await readMigrations(target))?.differs ?? {})).toEqual([object]);
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
  await ask(`revoke ${spec.ownerRole} from platform_admin`);
  expect(await readMigrations(target)).toEqual({
    differs: { administrator: "platform_admin may not look into the database" },
  });
  await applyAccess(targetsOf(spec).access);
  expect((await readMigrations(target))?.differs).toEqual({});
});

test("what cannot be healed is said by name and does not become the truth", async () => {
  await apply();
  await ask(`alter procedure app.expire_lots() owner to postgres`);
  await expect(apply()).rejects.toMatchObject({ code: "statement_failed", cause: { code: "42501" } });
  expect(Object.keys((await readMigrations(target))?.differs ?? {})).toEqual(["routine app.expire_lots()"]);
});
