// A cell whose jobs the runner starts, on a real PostgreSQL without pg_cron: neither preloaded nor created.
import type pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { crontabInputs } from "../../../components/crontab.ts";
import type { ProviderConfig } from "../../../components/providers/provider.ts";
import { type CrontabInputs, provider as crontab } from "../../../components/providers/crontab.ts";
import { deleteAccess, readAccess } from "../../../converge/access.ts";
import { readAdoptableJobs } from "../../../converge/adoption-jobs.ts";
import type { CellAddress } from "../../../converge/address.ts";
import { applyCrontab, deleteCrontab, readCrontab } from "../../../converge/crontab.ts";
import { readMigrations } from "../../../converge/migrations.ts";
import { forgetOffboarding, unscheduleAll } from "../../../converge/offboard.ts";
import { assertReady, readProbe } from "../../../converge/probe.ts";
import { onboard, prepareCell, specOf, sqlRoot, targetsOf, testCell } from "../../merchants.ts";
import { type OwnServer, startOwnServer, superuserClient } from "../../server.ts";

let own: OwnServer;
let address: CellAddress;
let cron: pg.Client;
let config: ProviderConfig;
/** The merchant of all tests; in the last one it leaves. */
const spec = specOf("acme");
let targets: Awaited<ReturnType<typeof onboard>>;

beforeAll(async () => {
  own = await startOwnServer({ pgCron: false });
  address = testCell(own.server, "runner");
  await prepareCell(address);
  cron = await superuserClient("cron", own.server);
  const { host, port, admin, password } = own.server;
  const home = {
    kind: "server",
    scheduler: "runner",
    host,
    port,
    admin,
    credential: { config: "key" },
    tls: "disable",
  };
  targets = await onboard(spec, sqlRoot, own.server, "runner");
  config = { get: (key) => (key === "cells" ? JSON.stringify({ home }) : password) };
});
afterAll(async () => {
  await cron.end();
  await own.remove();
});
async function inDatabase(statement: string): Promise<readonly Record<string, unknown>[]> {
  const client = await superuserClient(spec.database, own.server);
  try {
    return (await client.query<Record<string, unknown>>(statement)).rows;
  } finally {
    await client.end();
  }
}

const registered = async () =>
  (await cron.query("select scheduler, suspended from merchant_jobs.merchants where merchant = $1", [spec.id]))
    .rows as readonly object[];

test("the cron database has the registry, and nothing that needs pg_cron", async () => {
  const { rows } = await cron.query("select file from merchant_jobs.applied_files order by file");
  expect(rows).toEqual(
    [
      "migrations/002_create_registry.sql",
      "migrations/003_add_scheduler.sql",
      "routines/030_cell_health.sql",
      "routines/035_crontab.sql",
      "routines/040_let_the_runner_in.sql",
    ].map((file) => ({ file })),
  );
  const found = await readMigrations({ address, database: "cron", set: "cron", root: sqlRoot });
  expect(found?.differs).toEqual({});
  expect((await cron.query("select * from merchant_jobs.cell_health()")).rows).toEqual([
    { launcher: false, last_started_at: null },
  ]);
  // The same cell, taken for one that pg_cron serves.
  const other = targetsOf(spec, { ...address, scheduler: "pg_cron" }).crontab;
  await expect(readCrontab(other)).rejects.toMatchObject({
    code: "unsupported",
    message: expect.stringContaining("scheduler: runner") as string,
  });
});

test("a merchant stands in the registry and in app.jobs, is paused and comes back, and a second apply does nothing", async () => {
  const { crontab: target } = targets;
  expect(await registered()).toEqual([{ scheduler: "runner", suspended: false }]);
  expect(await readCrontab(target)).toEqual({
    registered: true,
    suspended: false,
    scheduler: "runner",
    jobs: {},
    engineJobs: target.engineJobs,
  });
  const rows = "select xmin::text, name, due_from::text from app.jobs order by name";
  const before = await inDatabase(rows);
  expect(await applyCrontab(target)).toEqual([]);
  expect(await inDatabase(rows)).toEqual(before);

  await applyCrontab(targetsOf({ ...spec, suspended: true }, address).crontab);
  expect(await registered()).toEqual([{ scheduler: "runner", suspended: true }]);
  expect(await inDatabase("select distinct enabled from app.jobs")).toEqual([{ enabled: false }]);
  await applyCrontab(target);
  expect(await inDatabase("select distinct enabled from app.jobs")).toEqual([{ enabled: true }]);
});

test("a schedule of seconds is accepted, as pg_cron 1.4 would not", async () => {
  const seconds = targetsOf(specOf(spec.id, { jobs: { lot_expiry: { schedule: "10 seconds" } } }), address).crontab;
  await applyCrontab(seconds);
  expect((await readCrontab(seconds))?.engineJobs).toEqual(seconds.engineJobs);
});

type Kind = readonly [kind: string, line: object, inRegistry: boolean, by: string, found: object];
const KINDS: readonly Kind[] = [
  [
    "a schedule changed",
    {},
    false,
    `update app.jobs set schedule = '5 3 * * *', due_schedule = due_schedule || '{"minutes": [5], "hours": [3]}'
     where name = 'lot_expiry'`,
    { jobs: { lot_expiry: { schedule: "5 3 * * *" } } },
  ],
  [
    "a local schedule changed",
    { timezone: "America/New_York" },
    false,
    `update app.jobs set schedule = '0 5 * * *', due_schedule = due_schedule || '{"hours": [5]}' where name = 'lot_expiry'`,
    { jobs: { lot_expiry: { schedule: "0 6,7 * * *", due: "0 5 * * *", timezone: "America/New_York" } } },
  ],
  [
    "a job paused",
    {},
    false,
    "update app.jobs set enabled = false where name = 'lot_expiry'",
    { jobs: { lot_expiry: { active: false } } },
  ],
  [
    "a job resumed though its merchant is suspended",
    { suspended: true },
    false,
    "update app.jobs set enabled = true where name = 'lot_expiry'",
    { jobs: { lot_expiry: { active: true, resumed: true } } },
  ],
  [
    "another batch function and size",
    {},
    false,
    "update app.jobs set batch_function = 'app.mine', batch_size = 1 where name = 'lot_expiry'",
    { jobs: { lot_expiry: { batchFunction: "app.mine", batchSize: 1 } } },
  ],
  [
    "a job added",
    {},
    false,
    "insert into app.jobs (name, batch_function, batch_size, time_limit_seconds) values ('mine', 'app.mine', 1, 1)",
    { jobs: { mine: { enabled: true } } },
  ],
  ["a merchant suspended", {}, true, "update merchant_jobs.merchants set suspended = true", { suspended: true }],
  ["another scheduler", {}, true, "update merchant_jobs.merchants set scheduler = 'pg_cron'", { scheduler: "pg_cron" }],
  ["an entry lost", {}, true, "delete from merchant_jobs.merchants", { registered: false }],
];

test.each(KINDS)(
  "%s by hand is found in the words that pg_cron's drift has, and healed",
  async (_, line, inRegistry, by, found) => {
    const inputs = crontabInputs(specOf(spec.id, line), "runner");
    const id = `home/${spec.id}`;
    await crontab.update(config, id, {}, inputs);
    expect((await crontab.read(config, id, inputs)).inputs).toEqual(inputs);
    if (inRegistry) await cron.query(`${by} where merchant = $1`, [spec.id]);
    else await inDatabase(by);
    const damaged = (await crontab.read(config, id, inputs)).inputs as CrontabInputs;
    expect(damaged).toMatchObject(found);
    expect(crontab.diff(config, id, damaged, inputs)).toMatchObject({ changes: true });
    await crontab.update(config, id, damaged, inputs);
    expect((await crontab.read(config, id, inputs)).inputs).toEqual(inputs);
  },
);

test("a job that was deleted is found, and is there again", async () => {
  const inputs = crontabInputs(spec, "runner");
  await crontab.update(config, "", {}, inputs);
  await inDatabase("delete from app.jobs where name = 'lot_expiry'");
  const damaged = (await crontab.read(config, "", inputs)).inputs as CrontabInputs;
  expect(Object.keys(damaged.jobs)).toEqual(Object.keys(inputs.jobs).filter((job) => job !== "lot_expiry"));
  await crontab.update(config, "", damaged, inputs);
  expect((await crontab.read(config, "", inputs)).inputs).toEqual(inputs);
});

test("the probe looks at what matters there: that the runner may enter, and that a live run looks like one", async () => {
  expect(await readProbe(address)).toEqual({});
  await assertReady(address);
  await cron.query("revoke connect on database cron from merchant_jobs_runner");
  const found = await readProbe(address);
  expect(Object.keys(found)).toEqual(["role merchant_jobs_runner"]);
  await expect(assertReady(address)).rejects.toMatchObject({ code: "cell_not_ready" });
  await cron.query(/alter role .*/.exec(found["role merchant_jobs_runner"] ?? "")?.[0] ?? "");
  expect(await readProbe(address)).toEqual({});
});

test("a merchant leaves: its crontab and roles are deleted in order, and nothing asks for pg_cron", async () => {
  const leaver = { ...targets.crontab, ownerRole: spec.ownerRole, appRole: spec.appRole };
  expect(await readAdoptableJobs(targets.crontab)).toEqual([]);
  await expect(deleteCrontab(targets.crontab)).rejects.toMatchObject({ code: "not_offboarding" });
  // It is exported, and taken back.
  await unscheduleAll(leaver);
  await expect(forgetOffboarding(leaver)).rejects.toMatchObject({ code: "not_offboarding" });
  await applyCrontab(targets.crontab);
  await forgetOffboarding(leaver);

  await cron.query("update merchant_jobs.merchants set dropping_since = now() where merchant = $1", [spec.id]);
  await deleteCrontab(targets.crontab);
  expect(await registered()).toEqual([]);
  await expect(deleteAccess(targets.access)).rejects.toMatchObject({ code: "in_use" });
  await cron.query(`drop database ${spec.database} with (force)`);
  await deleteAccess(targets.access);
  expect(await readAccess(targets.access)).toBeUndefined();
});
