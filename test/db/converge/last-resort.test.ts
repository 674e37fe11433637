import type pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { applyCrontab } from "../../../converge/crontab.ts";
import { applyMigrations, readMigrations } from "../../../converge/migrations.ts";
import { filesOf, onboard, prepareCell, specOf, targetsOf } from "../../merchants.ts";
import { dropMerchantLeftovers, freshName, superuserClient } from "../../server.ts";

const spec = specOf(freshName("resort"));
const { migrations, crontab: target } = targetsOf(spec);

let client: pg.Client;

beforeAll(async () => {
  await prepareCell();
  await onboard(spec);
  client = await superuserClient(spec.database);
});
afterAll(async () => {
  await client.end();
  await dropMerchantLeftovers(spec.database);
});

const rows = async (sql: string, values: unknown[] = []) => (await client.query(sql, values)).rows as unknown[];

test("the job role's last resort follows from the jobs' time limits, and another one is drift that is healed", async () => {
  const timeout = () =>
    rows(
      `select setting from pg_db_role_setting as s join pg_database as d on d.oid = s.setdatabase,
         unnest(s.setconfig) as setting
       where d.datname = current_database() and s.setrole = $1::regrole and setting like 'statement%'`,
      [spec.jobRole],
    );
  expect(await timeout()).toEqual([{ setting: "statement_timeout=2640s" }]);
  const longer = targetsOf(specOf(spec.id, { jobs: { lot_expiry: { timeLimitSeconds: 86_400 } } })).crontab;
  await applyCrontab(longer);
  expect(await timeout()).toEqual([{ setting: "statement_timeout=88440s" }]);
  expect((await readMigrations(migrations))?.differs).toEqual({});
  await applyCrontab(target);
  expect(await timeout()).toEqual([{ setting: "statement_timeout=2640s" }]);
  await rows(`alter role ${spec.jobRole} in database ${spec.database} set statement_timeout = 0`);
  expect((await readMigrations(migrations))?.differs).toMatchObject({
    [`settings of role ${spec.jobRole}`]: expect.stringContaining("statement_timeout=0") as string,
  });
  await applyMigrations(migrations, filesOf(migrations));
  expect(await timeout()).toEqual([{ setting: "statement_timeout=2640s" }]);
  expect((await readMigrations(migrations))?.differs).toEqual({});
});
