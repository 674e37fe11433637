import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { applyAccess, deleteAccess, readAccess } from "../../../converge/access.ts";
import type { AccessTarget } from "../../../converge/access-plan.ts";
import type { MerchantSpec } from "../../../spec/merchants.ts";
import { onboard, prepareCell, specOf } from "../../merchants.ts";
import {
  connectAs,
  dropMerchantLeftovers,
  freshName,
  postgresMajor,
  revokeOwn,
  superuserClient,
} from "../../server.ts";

const prefix = freshName("acc");
let count = 0;
let spec: MerchantSpec;
let target: AccessTarget;

beforeAll(() => prepareCell());
beforeEach(async () => {
  count += 1;
  spec = specOf(`${prefix}${count}`);
  target = (await onboard(spec)).access;
});
afterAll(() => dropMerchantLeftovers(`merchant_${prefix}`));

async function as<T>(database: string, sql: string): Promise<T[]> {
  const client = await superuserClient(database);
  try {
    return (await client.query(sql)).rows as T[];
  } finally {
    await client.end();
  }
}

/** A real login, which the job role has no password and no connection for by itself. */
async function login(role: string, database: string) {
  await as("postgres", `alter role ${role} password 'for this test' connection limit -1`);
  return connectAs({ user: role, password: "for this test" }, database);
}

test("applying again changes nothing, and nothing differs", async () => {
  expect(await applyAccess(target)).toEqual([]);
  expect(await readAccess(target)).toEqual({});
});

const drift = (m: MerchantSpec): readonly (readonly [string, string])[] => [
  [m.appRole, `alter role ${m.appRole} createrole createdb`],
  [m.jobRole, `alter role ${m.jobRole} nologin`],
  [m.jobRole, `comment on role ${m.jobRole} is null`],
  [`platform_admin in ${m.ownerRole}`, revokeOwn(m.ownerRole)],
];

test.each([0, 1, 2, 3])("drift of roles is found by name and healed (%i)", async (i) => {
  const [about, statement] = drift(spec)[i]!;
  await as("postgres", statement);
  expect(Object.keys((await readAccess(target)) ?? {})).toEqual([about]);
  await applyAccess(target);
  expect(await readAccess(target)).toEqual({});
});

test("a membership that was given by hand is taken away, from PostgreSQL 16 on by whoever may", async () => {
  await as("postgres", `grant pg_monitor to ${spec.appRole}`);
  expect(Object.keys((await readAccess(target)) ?? {})).toEqual([`${spec.appRole} in pg_monitor`]);
  const healing = applyAccess(target);
  if (postgresMajor() < 16) await healing;
  else {
    const statement = `revoke "pg_monitor" from "${spec.appRole}"`;
    await expect(healing).rejects.toMatchObject({
      code: "missing_right",
      message: expect.stringContaining(statement) as string,
    });
    await as("postgres", statement);
  }
  expect(await readAccess(target)).toEqual({});
});

test("what only a superuser can take away is an error with the statement that does it", async () => {
  await as("postgres", `alter role ${spec.appRole} superuser`);
  expect(await readAccess(target)).toEqual({ [spec.appRole]: expect.stringContaining("SUPERUSER") as string });
  await expect(applyAccess(target)).rejects.toMatchObject({
    code: "missing_right",
    message: expect.stringContaining(`alter role "${spec.appRole}" nosuperuser;`) as string,
  });
});

test("a role that is there already and not ours is not taken over by a new merchant", async () => {
  const other = specOf(`${spec.id}z`);
  await as("postgres", `create role ${other.appRole} login password 'theirs'`);
  const theirs = {
    ...target,
    merchant: other.id,
    ownerRole: spec.ownerRole,
    appRole: other.appRole,
    jobRole: other.jobRole,
  };
  await expect(applyAccess(theirs, { fresh: true })).rejects.toMatchObject({
    code: "name_taken",
    message: expect.stringContaining(other.appRole) as string,
  });
  expect(await as("postgres", `select from pg_roles where rolname = '${other.jobRole}'`)).toEqual([]);
});

test("neither role there is gone, one of them missing is a difference", async () => {
  const other = { ...target, appRole: `${spec.appRole}_x`, jobRole: `${spec.jobRole}_x` };
  expect(await readAccess(other)).toBeUndefined();
  expect(Object.keys((await readAccess({ ...target, appRole: `${spec.appRole}_x` })) ?? {})).toEqual([
    `${spec.appRole}_x`,
  ]);
});

test("roles are not dropped while one of them owns a pg_cron job", async () => {
  await expect(deleteAccess(target)).rejects.toMatchObject({
    code: "cron_jobs_left",
    message: expect.stringContaining(spec.jobRole) as string,
  });
});

test("roles are not dropped before the database, and then they are", async () => {
  await as("cron", `delete from cron.job where database = '${spec.database}'`);
  await expect(deleteAccess(target)).rejects.toMatchObject({ code: "in_use" });
  await as("postgres", `drop database ${spec.database} with (force)`);
  await deleteAccess(target);
  expect(await readAccess(target)).toBeUndefined();
  await deleteAccess(target);
});

test("a job role connects to no other merchant's database and sees no ledger of its own", async () => {
  const other = specOf(`${spec.id}x`);
  await onboard(other);
  await expect(login(spec.jobRole, other.database)).rejects.toMatchObject({ code: "42501" });
  await expect(login(spec.jobRole, "cron")).rejects.toMatchObject({ code: "42501" });
  const role = await login(spec.jobRole, spec.database);
  try {
    for (const statement of [
      "select * from app.lots",
      "select * from app.ledger_entries",
      "select * from app.operations",
      "select * from app.idempotency_keys",
      "select * from app.job_runs",
      "update app.job_runs set status = 'succeeded'",
      "insert into app.jobs (name, batch_function, batch_size, time_limit_seconds) values ('x', 'app.x', 1, 1)",
      "select * from merchant_jobs.applied_files",
      "select app.expire_lots_batch(now(), 1, null, null, null)",
      "create table app.mine (id bigint)",
    ]) {
      await expect(role.query(statement), statement).rejects.toMatchObject({ code: "42501" });
    }
    await role.query("call app.expire_lots()");
  } finally {
    await role.end();
  }
});

test("the job role has no connection of its own: pg_cron's workers do not log in", async () => {
  expect(await as("postgres", `select rolconnlimit as n from pg_roles where rolname = '${spec.jobRole}'`)).toEqual([
    { n: 0 },
  ]);
});

test("the application adds to its ledger and cannot change it, or reach another merchant's", async () => {
  const other = specOf(`${spec.id}y`);
  await onboard(other);
  await expect(login(spec.appRole, other.database)).rejects.toMatchObject({ code: "42501" });
  const app = await login(spec.appRole, spec.database);
  try {
    await app.query("select app.grant_lot('a', now() + interval '1 day', 500)");
    await app.query("select app.spend(1, 200)");
    for (const [call, code] of [
      ["select app.spend(1, 301)", "MJ007"],
      ["select app.spend(1, 0)", "MJ004"],
      ["select app.spend(99, 1)", "MJ005"],
    ] as const) {
      await expect(app.query(call), call).rejects.toMatchObject({ code });
    }
    for (const statement of [
      "insert into app.ledger_entries (lot_id, kind, amount_minor) values (1, 'grant', 1)",
      "update app.ledger_entries set amount_minor = 1",
      "delete from app.ledger_entries",
      "truncate app.ledger_entries",
      "update app.lots set expired_at = now()",
      "call app.expire_lots()",
      "delete from app.job_runs",
      "delete from merchant_jobs.applied_files",
    ]) {
      await expect(app.query(statement), statement).rejects.toMatchObject({ code: "42501" });
    }
  } finally {
    await app.end();
  }
});

test("even the owner cannot change the ledger's past", async () => {
  await as(spec.database, "insert into app.lots (account, expires_at) values ('a', now())");
  await as(spec.database, "insert into app.ledger_entries (lot_id, kind, amount_minor) values (1, 'grant', 500)");
  for (const statement of [
    "update app.ledger_entries set amount_minor = 1",
    "delete from app.ledger_entries",
    "truncate app.ledger_entries",
  ]) {
    await expect(as(spec.database, statement), statement).rejects.toMatchObject({ code: "MJ003" });
  }
});
