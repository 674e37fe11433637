import { appendFileSync, cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { isDeepStrictEqual } from "node:util";
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
  expect(results.flat().sort()).toEqual(
    readSqlFiles(root, "merchant")
      .map(({ name }) => name)
      .sort(),
  );
});

const damages: readonly (readonly [string, string, string])[] = [
  ["a body edited by a space", "replace", "routine app.fail_run(bigint,text,text): begin => begin "],
  ["a dropped routine", "drop procedure app.expire_lots()", "routine app.expire_lots(): gone"],
  [
    "an overload of a routine",
    "create function app.spend(text) returns int language sql as 'select 1'",
    "routine app.spend(text): nothing => CREATE OR REPLACE FUNCTION app.spend(text)",
  ],
  [
    "SECURITY DEFINER taken away",
    "alter function app.begin_run(text, timestamptz) security invoker",
    "routine app.begin_run(text,timestamp with time zone): *",
  ],
  [
    "a SET clause changed",
    "alter function app.run_batch(bigint) set lock_timeout = '1h'",
    "routine app.run_batch(bigint): *",
  ],
  [
    "EXECUTE given to PUBLIC",
    "grant execute on function app.begin_run(text, timestamptz) to public",
    "routine app.begin_run(text,timestamp with time zone): *",
  ],
  [
    "the body of a function that a migration made",
    "create or replace function app.refuse_ledger_change() returns trigger language plpgsql as 'begin return null; end'",
    "routine app.refuse_ledger_change(): *",
  ],
  ["CONNECT given to PUBLIC", "grant connect on database DB to public", "database: *"],
  ["CREATE on a schema given away", "grant create on schema app to APP", "schema app: *"],
  [
    "a setting of the job role",
    "alter role JOB in database DB set statement_timeout = '9h'",
    "settings of role JOB: statement_timeout=1h => statement_timeout=9h",
  ],
  [
    "a setting of the app role",
    "alter role APP in database DB set work_mem = '1GB'",
    "settings of role APP: nothing => work_mem=1GB",
  ],
  [
    "a setting of a role everywhere",
    "alter role APP set statement_timeout = '1s'",
    "settings everywhere of role APP: nothing => statement_timeout=1s",
  ],
  [
    "a setting of the owner role",
    "alter role OWNER set search_path = 'app'",
    "settings everywhere of role OWNER: nothing => search_path=app",
  ],
  [
    "a setting of the database",
    "alter database DB set timezone = 'Asia/Tokyo'",
    "settings of the database: nothing => TimeZone=Asia/Tokyo",
  ],
  ["a right on a table given away", "grant delete on app.job_runs to APP", "rights on table app.job_runs: *"],
  ["a right on a table taken away", "revoke select on app.lots from APP", "rights on table app.lots: *"],
  [
    "a right on a column",
    "grant update (account) on app.lots to APP",
    "rights on table app.lots: nothing => grants on account: UPDATE to APP",
  ],
  ["the job role's connection limit", "alter role JOB connection limit -1", "connection limit of role JOB: 0 => -1"],
  ["a right handed on", "grant usage on schema app to APP with grant option", "schema app: *"],
  ["a routine's comment", "comment on procedure app.expire_lots() is 'mine'", "routine app.expire_lots(): *"],
  ["a table's comment", "comment on table app.lots is 'mine'", "table app.lots: *"],
  [
    "a column's comment",
    "comment on column app.lots.expired_at is null",
    "comment on column app.lots.expired_at: gone",
  ],
  ["an index dropped", "drop index app.lots_due", "index app.lots_due: gone"],
  [
    "an index added",
    "create index mine on app.lots (account)",
    "index app.mine: nothing => CREATE INDEX mine ON app.lots USING btree (account)",
  ],
  [
    "an index that is another one",
    "drop index app.lots_due; create index lots_due on app.lots (account)",
    "index app.lots_due: *",
  ],
  [
    "a constraint dropped",
    "alter table app.lots drop constraint lots_account_length",
    "constraint lots_account_length on app.lots: gone",
  ],
  [
    "a foreign key dropped",
    "alter table app.ledger_entries drop constraint ledger_entries_lot_id_fkey",
    "constraint ledger_entries_lot_id_fkey on app.ledger_entries: gone",
  ],
  [
    "a constraint added",
    "alter table app.lots add constraint mine check (lot_id > 0)",
    "constraint mine on app.lots: nothing => CHECK ((lot_id > 0))",
  ],
  [
    "a default changed",
    "alter table app.lots alter column created_at set default now()",
    "default of column app.lots.created_at: clock_timestamp() => now()",
  ],
  [
    "a default dropped",
    "alter table app.lots alter column created_at drop default",
    "default of column app.lots.created_at: gone",
  ],
  [
    "a default added",
    "alter table app.lots alter column account set default 'x'",
    "default of column app.lots.account: nothing => 'x'::text",
  ],
  [
    "NOT NULL dropped",
    "alter table app.lots alter column account drop not null",
    "not null of column app.lots.account: gone",
  ],
  [
    "a trigger dropped",
    "drop trigger ledger_entries_append_only on app.ledger_entries",
    "trigger ledger_entries_append_only on app.ledger_entries: gone",
  ],
  [
    "a trigger disabled",
    "alter table app.ledger_entries disable trigger ledger_entries_append_only",
    "trigger ledger_entries_append_only on app.ledger_entries: nothing => disabled",
  ],
  [
    "a trigger added",
    "create trigger mine before insert on app.lots for each statement execute function app.refuse_ledger_change()",
    "trigger mine on app.lots: *",
  ],
  ["a rule added", "create rule mine as on delete to app.lots do instead nothing", "rule mine on app.lots: *"],
  [
    "a policy added",
    "create policy mine on app.lots using (true)",
    "policy mine on app.lots: nothing => permissive * public using true",
  ],
  [
    "row security switched on",
    "alter table app.lots enable row level security",
    "table app.lots: nothing => row security",
  ],
  [
    "a row of the history deleted",
    "delete from merchant_jobs.applied_files where file = 'ledger/migrations/002_create_ledger.sql'",
    "applied file ledger/migrations/002_create_ledger.sql: gone",
  ],
  [
    "a row of the history edited",
    "update merchant_jobs.applied_files set sha256 = repeat('0', 64) where file = 'ledger/migrations/002_create_ledger.sql'",
    "applied file ledger/migrations/002_create_ledger.sql: *",
  ],
  [
    "a row of the history added",
    "insert into merchant_jobs.applied_files values ('ledger/migrations/009_mine.sql', 'migration', repeat('0', 64))",
    "applied file ledger/migrations/009_mine.sql: *",
  ],
];

test("each damage is drift by the object's name, declared => found, and is healed; healing twice does nothing", async () => {
  await apply();
  const named = (text: string) =>
    text
      .replaceAll("DB", spec.database)
      .replaceAll("APP", spec.appRole)
      .replaceAll("JOB", spec.jobRole)
      .replaceAll("OWNER", spec.ownerRole);
  const [body] = await ask<{ d: string }>("select pg_get_functiondef('app.fail_run'::regproc) as d");
  const wrong: Record<string, unknown> = {};
  for (const [what, statement, expected] of damages) {
    await ask(statement === "replace" ? (body?.d ?? "").replace("begin\n", "begin \n") : named(statement));
    const seen = await readMigrations(target);
    const shown = Object.entries(seen?.differs ?? {}).map(([object, found]) => `${object}: ${found}`);
    const wanted = named(expected);
    const asWanted = wanted.endsWith(": *") ? shown[0]?.startsWith(wanted.slice(0, -1)) : shown[0] === wanted.trim();
    const files = { ...seen?.migrations, ...seen?.routines };
    const applied = await apply().catch((error: unknown) => String(error));
    const left = (await readMigrations(target))?.differs;
    const again = await apply();
    const good =
      shown.length === 1 &&
      asWanted === true &&
      isDeepStrictEqual(files, filesOf(target)) &&
      Array.isArray(applied) &&
      JSON.stringify(left) === "{}" &&
      again.length === 0;
    if (!good) wrong[what] = { shown, wanted, applied, left, again };
  }
  expect(wrong).toEqual({});
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
  expect((await readMigrations(target))?.differs).toEqual({ server: "major version 14 => major version 15" });
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
