import type pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { CellAddress } from "../../../converge/address.ts";
import { assertReady, readProbe } from "../../../converge/probe.ts";
import { prepareCell, testCell } from "../../merchants.ts";
import { type OwnServer, startOwnServer, superuserClient, waitFor } from "../../server.ts";

let own: OwnServer;
let address: CellAddress;
let superuser: pg.Client;

beforeAll(async () => {
  own = await startOwnServer({ settings: {} });
  address = testCell(own.server);
  await prepareCell(address);
  superuser = await superuserClient("cron", own.server);
});
afterAll(async () => {
  await superuser.end();
  await own.remove();
});

test("a cell as it shall be has no problem", async () => {
  expect(await readProbe(address)).toEqual({});
  await assertReady(address);
});

test("an administrator who does not see pg_cron's settings is told so, and pg_cron is not said to be missing", async () => {
  await superuser.query(`revoke pg_read_all_settings from ${own.server.admin}`);
  const refusal = { code: "cannot_look", message: expect.stringContaining("lacks pg_read_all_settings") as string };
  await expect(readProbe(address)).rejects.toMatchObject(refusal);
  await expect(assertReady(address)).rejects.toMatchObject(refusal);
  await superuser.query(`grant pg_read_all_settings to ${own.server.admin}`);
  expect(await readProbe(address)).toEqual({});
});

test("settings with which jobs cannot run are named, each with what sets it right, and the cell is refused", async () => {
  const wrong = await startOwnServer({
    settings: {
      "cron.use_background_workers": "off",
      "cron.max_running_jobs": "20",
      max_worker_processes: "20",
      track_activities: "off",
    },
  });
  try {
    const at = testCell(wrong.server);
    await prepareCell(at);
    const found = await readProbe(at);
    expect(found).toMatchObject({
      "cron.use_background_workers": expect.stringContaining(
        "alter system set cron.use_background_workers = 'on'; and restart the server",
      ) as string,
      "cron.max_running_jobs": expect.stringContaining("alter system set max_worker_processes = '28'") as string,
      track_activities: expect.stringContaining(
        "alter system set track_activities = 'on'; select pg_reload_conf();",
      ) as string,
    });
    await expect(assertReady(at)).rejects.toMatchObject({
      code: "cell_not_ready",
      message: expect.stringContaining("cron.use_background_workers is off") as string,
    });
  } finally {
    await wrong.remove();
  }
});

test("a role that is gone and owns jobs is named; what is printed brings the launcher back", async () => {
  await superuser.query("create role lost login");
  await superuser.query(
    "insert into cron.job (schedule, command, database, username) values ('0 0 1 1 *', 'x', 'cron', 'lost')",
  );
  await superuser.query("drop role lost");
  // The launcher reads the table anew at its next change, and dies of it.
  await superuser.query("select cron.schedule('touch', '0 0 1 1 *', 'select 1')");
  await waitFor(async () => "launcher" in (await readProbe(address)), { what: "the launcher to die" });
  const found = await readProbe(address);
  const text = found["role lost"] ?? "";
  expect(text).toContain('no job of any merchant runs: create role "lost" login;');
  for (const statement of text.slice(text.indexOf("create role")).split(";").slice(0, -1))
    await superuser.query(statement);
  await superuser.query("select cron.unschedule('touch')");
  await waitFor(async () => Object.keys(await readProbe(address)).length === 0, { what: "the cell to be well again" });
});

test("a job left over from a merchant that is not of this cell is named, and what is printed removes it", async () => {
  await superuser.query("create role left_job login");
  await superuser.query("create database left_over");
  await superuser.query(
    `insert into cron.job (jobname, schedule, command, database, username)
     values ('gone:lot_expiry', '0 2 * * *', 'CALL app.expire_lots()', 'left_over', 'left_job'),
       ('report:daily', '0 2 * * *', 'select 1', 'left_over', 'left_job')`,
  );
  const found = await readProbe(address);
  expect(Object.keys(found)).toEqual(["job gone:lot_expiry"]);
  // It hurts nobody's jobs: merchants need not wait for its removal.
  await assertReady(address);
  await superuser.query(/select cron\.unschedule\(\d+\)/.exec(found["job gone:lot_expiry"] ?? "")?.[0] ?? "");
  expect(await readProbe(address)).toEqual({});
  await superuser.query("delete from cron.job where jobname = 'report:daily'");
});

test("a merchant whose entry of the registry is gone, with its role and database there, has left nothing over", async () => {
  await superuser.query("create role living_job login; comment on role living_job is 'merchant-jobs: living'");
  await superuser.query("create database living");
  await superuser.query(
    `insert into cron.job (jobname, schedule, command, database, username)
     values ('living:lot_expiry', '0 2 * * *', 'CALL app.expire_lots()', 'living', 'living_job')`,
  );
  expect(await readProbe(address)).toEqual({});
  await superuser.query("delete from cron.job where jobname = 'living:lot_expiry'");
});

test("an owner role that cannot see other sessions is named, and what is printed lets it", async () => {
  await superuser.query("create role blind_owner");
  await superuser.query("create database blind owner blind_owner");
  await superuser.query(
    "insert into merchant_jobs.merchants (merchant, database_name, job_role, suspended) values ('blind', 'blind', 'x', false)",
  );
  const text = (await readProbe(address))["statistics of blind_owner"] ?? "";
  expect(text).toContain('grant pg_read_all_stats to "blind_owner";');
  // One merchant's owner role stops no other merchant.
  await assertReady(address);
  await superuser.query("grant pg_read_all_stats to blind_owner");
  expect(await readProbe(address)).toEqual({});
});
