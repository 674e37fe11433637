import { afterAll, beforeAll, expect, test } from "vitest";
import type pg from "pg";
import { readMigrations } from "../../../converge/migrations.ts";
import { prepareCell, sqlRoot, testCell } from "../../merchants.ts";
import { adminClient, type OwnServer, startOwnServer, superuserClient } from "../../server.ts";

let own: OwnServer;
let admin: pg.Client;
let superuser: pg.Client;

beforeAll(async () => {
  own = await startOwnServer({ settings: {} });
  await prepareCell(testCell(own.server));
  admin = await adminClient("cron", own.server);
  superuser = await superuserClient("cron", own.server);
});
afterAll(async () => {
  await admin.end();
  await superuser.end();
  await own.remove();
});

const JOB = "merchant-jobs:cleanup_run_details";

async function scheduled() {
  const { rows } = await superuser.query<Record<string, unknown>>(
    "select jobname, schedule, command, database, username, active from cron.job",
  );
  return rows;
}

test("the cell has one job of its own, under the administrator, which a second apply leaves alone", async () => {
  const job = {
    jobname: JOB,
    schedule: "20 4 * * *",
    command: "CALL merchant_jobs.cleanup_run_details()",
    database: "cron",
    username: own.server.admin,
    active: true,
  };
  expect(await scheduled()).toEqual([job]);
  await prepareCell(testCell(own.server));
  expect(await scheduled()).toEqual([job]);
});

const damages: readonly (readonly [string, string, string])[] = [
  ["dropped", `delete from cron.job where jobname = '${JOB}'`, "gone"],
  ["paused", `update cron.job set active = false where jobname = '${JOB}'`, "(paused)"],
  ["scheduled otherwise", `update cron.job set schedule = '0 0 * * *' where jobname = '${JOB}'`, "=> 0 0 * * *"],
];

test.for(damages)("the cell's job that was %s by hand is drift, and is healed", async ([, statement, found]) => {
  const address = testCell(own.server);
  const look = async () =>
    (await readMigrations({ address, database: "cron", set: "cron", root: sqlRoot }))?.differs[`job ${JOB}`];
  const before = await scheduled();
  expect(await look()).toBeUndefined();
  await superuser.query(statement);
  expect(await look()).toContain(found);
  await prepareCell(address);
  expect(await look()).toBeUndefined();
  expect(await scheduled()).toEqual(before);
});

test("old records of runs go, in batches, and the others stay, whatever their times are", async () => {
  // Four pages that are old, of which one has no times at all (jobs that could not start); then runs that are not. The
  // numbers are above those that pg_cron gives meanwhile.
  await superuser.query(
    `insert into cron.job_run_details (jobid, runid, status, start_time, end_time)
     select 1, 1000000 + n, 'succeeded', t.at, t.at
     from generate_series(1, 20000) as n
     cross join lateral (
       select case
         when n % 1000 <> 7 and n not between 4000 and 11000
         then now() - interval '14 days' - make_interval(secs => 21000 - n)
       end as at
     ) as t`,
  );
  await superuser.query(
    `insert into cron.job_run_details (jobid, runid, status, start_time, end_time) values
       (1, 1020001, 'succeeded', now() - interval '15 days', now() - interval '13 days'),
       (1, 1020002, 'failed', null, null),
       (1, 1020003, 'running', now() - interval '1 hour', null)`,
  );
  await admin.query("call merchant_jobs.cleanup_run_details()");
  const { rows } = await superuser.query<{ runid: string }>(
    "select runid from cron.job_run_details where runid > 1000000 order by runid",
  );
  expect(rows.map(({ runid }) => runid)).toEqual(["1020001", "1020002", "1020003"]);
});

test.for([null, 0, -1, 3651])("days to keep that are %s are refused, and nothing is deleted", async (days) => {
  const before = await superuser.query("select from cron.job_run_details");
  await expect(admin.query("call merchant_jobs.cleanup_run_details($1)", [days])).rejects.toMatchObject({
    code: "MJ040",
  });
  expect((await superuser.query("select from cron.job_run_details")).rowCount).toBe(before.rowCount);
});
