// A cell that is given to the runner, and back to pg_cron. On a server of its own: it takes the cell's own job away.
import type pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { crontabInputs } from "../../../components/crontab.ts";
import { type CrontabInputs, provider as crontab } from "../../../components/providers/crontab.ts";
import type { ProviderConfig } from "../../../components/providers/provider.ts";
import { setHashes } from "../../../components/migrations.ts";
import { applyCrontab, readCrontab } from "../../../converge/crontab.ts";
import { readMigrations } from "../../../converge/migrations.ts";
import { assertReady, readProbe } from "../../../converge/probe.ts";
import type { Scheduler } from "../../../spec/cells.ts";
import { startServer, stopServer } from "../../../local/postgres.ts";
import { onboard, prepareCell, specOf, sqlRoot, targetsOf, testCell } from "../../merchants.ts";
import { type OwnServer, startOwnServer, superuserClient } from "../../server.ts";

const spec = specOf("acme", { timezone: "America/New_York" });
let own: OwnServer;
let cron: pg.Client;

// It begins without pg_cron, which is installed later.
beforeAll(async () => {
  own = await startOwnServer({ pgCron: false });
  cron = await superuserClient("cron", own.server);
});
afterAll(async () => {
  await cron.end();
  await own.remove();
});

const cell = (scheduler: Scheduler) => testCell(own.server, scheduler);
const target = (scheduler: Scheduler) => targetsOf(spec, cell(scheduler)).crontab;
const files = (scheduler: Scheduler) =>
  readMigrations({ address: cell(scheduler), database: "cron", set: "cron", root: sqlRoot });
type Rows = readonly Record<string, unknown>[];
const jobs = async () =>
  (await cron.query("select jobname, username, active from cron.job order by jobname")).rows as Rows;

async function engineJobs(): Promise<Rows> {
  const client = await superuserClient(spec.database, own.server);
  try {
    return (await client.query("select xmin::text, * from app.jobs order by name")).rows as Rows;
  } finally {
    await client.end();
  }
}

test("where pg_cron comes later, up makes what needs it, and it starts the jobs", async () => {
  await prepareCell(cell("runner"));
  await onboard(spec, sqlRoot, own.server, "runner");
  const before = await engineJobs();
  await cron.end();
  await stopServer(own.folder);
  own = { ...own, server: await startServer({ folder: own.folder, durable: false }) };
  cron = await superuserClient("cron", own.server);
  // That pg_cron is there changes nothing yet.
  expect((await files("runner"))?.differs).toEqual({});
  expect(await readProbe(cell("runner"))).toEqual({});

  await prepareCell(cell("pg_cron"));
  expect(await files("pg_cron")).toEqual({ ...setHashes("cron", "pg_cron"), differs: {} });
  await assertReady(cell("pg_cron"));
  await applyCrontab(target("pg_cron"));
  expect(await jobs()).toEqual([
    ...["catch_up", "history_cleanup", "idempotency_cleanup", "lot_expiry", "ops_cleanup"].map((job) => ({
      jobname: `acme:${job}`,
      username: spec.jobRole,
      active: true,
    })),
    { jobname: "merchant-jobs:cleanup_run_details", username: own.server.admin, active: true },
  ]);
  expect(await readCrontab(target("pg_cron"))).toMatchObject({ registered: true, scheduler: "pg_cron" });
  // Since when times count as missed stays as it was.
  expect(await engineJobs()).toEqual(before);
});

test("a preview of the change has one line for a merchant", () => {
  const config: ProviderConfig = { get: () => undefined };
  const { scheduler: before, ...same } = crontabInputs(spec, "pg_cron");
  const { scheduler: after, ...others } = crontabInputs(spec, "runner");
  expect([before, after]).toEqual(["pg_cron", "runner"]);
  expect(others).toEqual(same);
  expect(crontab.check(config, crontabInputs(spec, "pg_cron"), crontabInputs(spec, "runner")).failures).toEqual([]);
});

test("where the runner takes pg_cron's place, up takes every job of ours out of the crontab, and nobody else's", async () => {
  const before = await engineJobs();
  await cron.query("select cron.schedule_in_database('somebody', '0 0 1 1 *', 'select 1', 'postgres')");
  const stranger = { jobname: "somebody", username: "postgres", active: true };
  await prepareCell(cell("runner"));
  expect(await files("runner")).toEqual({ ...setHashes("cron", "runner"), differs: {} });
  await applyCrontab(target("runner"));
  expect(await jobs()).toEqual([stranger]);
  expect(await readCrontab(target("runner"))).toMatchObject({ registered: true, scheduler: "runner", jobs: {} });
  expect(await engineJobs()).toEqual(before);
  expect(await applyCrontab(target("runner"))).toEqual([]);
});

test("a job that pg_cron has there all the same is drift, shown under its user, and goes", async () => {
  await cron.query("select cron.schedule_in_database('acme:lot_expiry', '0 2 * * *', 'CALL app.expire_lots()', $1)", [
    spec.database,
  ]);
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
  const config: ProviderConfig = { get: (key) => (key === "cells" ? JSON.stringify({ home }) : password) };
  const inputs = crontabInputs(spec, "runner");
  const found = (await crontab.read(config, "", inputs)).inputs as CrontabInputs;
  expect(found).toMatchObject({ jobs: { ...inputs.jobs, "lot_expiry@postgres": { user: "postgres" } } });
  await crontab.update(config, "", found, inputs);
  expect((await crontab.read(config, "", inputs)).inputs).toEqual(inputs);

  const ownJob = "select cron.schedule('merchant-jobs:cleanup_run_details', '20 4 * * *', 'select 1')";
  await cron.query(`set role ${own.server.admin}`);
  await cron.query(ownJob);
  await cron.query("reset role");
  expect((await files("runner"))?.differs).toEqual({
    "job merchant-jobs:cleanup_run_details": expect.stringContaining("20 4 * * *") as string,
  });
  await prepareCell(cell("runner"));
  expect((await files("runner"))?.differs).toEqual({});
});

test("and back again", async () => {
  await prepareCell(cell("pg_cron"));
  await applyCrontab(target("pg_cron"));
  expect((await jobs()).length).toBe(7);
  expect(await files("pg_cron")).toEqual({ ...setHashes("cron", "pg_cron"), differs: {} });
});
