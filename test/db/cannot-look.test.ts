import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { applyCrontab, deleteCrontab, readCrontab } from "../../converge/crontab.ts";
import { deleteAccess } from "../../converge/access.ts";
import { onboard, prepareCell, specOf } from "../merchants.ts";
import { dropMerchantLeftovers, freshName, superuserClient } from "../server.ts";

const prefix = freshName("blind");
const spec = specOf(prefix);
let targets: Awaited<ReturnType<typeof onboard>>;

async function cron(sql: string): Promise<unknown[]> {
  const client = await superuserClient("cron");
  try {
    // What is granted here on the schema of all other tests must not meet a converge that grants there too.
    await client.query("begin");
    await client.query("select pg_advisory_xact_lock(7260, 3)");
    const { rows } = await client.query<object>(sql);
    await client.query("commit");
    return rows;
  } finally {
    await client.end();
  }
}

beforeAll(async () => {
  await prepareCell();
  targets = await onboard(spec);
});
afterAll(() => dropMerchantLeftovers(`merchant_${prefix}`));

// These rights belong to the shared administrator, so the tests lend and take them on a role of their own.
const blind = `${prefix}_admin`;
const address = () => ({ ...targets.crontab.address, user: blind, password: "blind" });

beforeAll(async () => {
  await cron(`create role ${blind} login createdb createrole password 'blind'`);
  await cron(`grant ${spec.ownerRole}, ${spec.jobRole} to ${blind}`);
  await cron(`grant connect on database cron to ${blind}`);
  await cron(`grant usage on schema cron, merchant_jobs to ${blind}`);
  await cron(`grant select on merchant_jobs.merchants to ${blind}`);
  return async () => {
    await cron(`drop owned by ${blind}`);
    await cron(`drop role ${blind}`);
  };
});

// pg_cron lets everybody read cron.job, and row security shows each role its own rows.
const missing: readonly (readonly [string, string, string])[] = [
  ["BYPASSRLS", `alter role ${blind} nobypassrls`, "lacks BYPASSRLS"],
  ["SELECT", `alter role ${blind} bypassrls; revoke select on cron.job from public`, "lacks SELECT on cron.job"],
  [
    "either",
    `alter role ${blind} nobypassrls; revoke select on cron.job from public`,
    "lacks SELECT on cron.job and BYPASSRLS",
  ],
];
afterEach(() => cron("grant select on cron.job to public"));

test.each(missing)(
  "an administrator without %s reports nothing lost, plans nothing, and says what is missing",
  async (_what, setUp, text) => {
    await cron(setUp);
    const before = await cron("select * from cron.job order by jobid");
    const refusal = { code: "cannot_look", message: expect.stringContaining(text) as string };
    await expect(readCrontab({ ...targets.crontab, address: address() })).rejects.toMatchObject(refusal);
    await expect(applyCrontab({ ...targets.crontab, address: address() })).rejects.toMatchObject(refusal);
    await expect(deleteCrontab({ ...targets.crontab, address: address() })).rejects.toMatchObject(refusal);
    await expect(deleteAccess({ ...targets.access, address: address() })).rejects.toMatchObject(refusal);
    expect(await cron("select * from cron.job order by jobid")).toEqual(before);
  },
);

test("without DELETE on cron.job another user's job is named with the statement that removes it", async () => {
  await cron(`alter role ${blind} bypassrls`);
  await cron(`grant select on cron.job to ${blind}`);
  await cron(
    `grant execute on function cron.unschedule(bigint), cron.schedule_in_database, cron.alter_job to ${blind} with grant option`,
  );
  await cron(`grant usage on schema cron to ${blind} with grant option`);
  const [row] = (await cron(
    `select cron.schedule_in_database('other', '0 1 * * *', 'select 1', '${spec.database}')::text as id`,
  )) as { id: string }[];
  await expect(applyCrontab({ ...targets.crontab, address: address() })).rejects.toMatchObject({
    code: "missing_right",
    message: expect.stringContaining(`select cron.unschedule(${row!.id});`) as string,
  });
  expect(
    await cron(`select jobid::text as id from cron.job where jobname = 'other' and database = '${spec.database}'`),
  ).toEqual([{ id: row!.id }]);
});
