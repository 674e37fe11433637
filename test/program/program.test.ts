// The whole program on the engine that the tests are run with, from nothing to a refused destroy. Each test goes on
// where the one before it ended.
import { appendFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { RunningServer } from "../../local/postgres.ts";
import { parseEngineOutput } from "../../report/engine-events.ts";
import { summarize } from "../../report/summary/model.ts";
import { renderSummary } from "../../report/summary/render.ts";
import { sectionsOf, unaligned } from "../drift/sections.ts";
import { makeProject, type Project } from "../project.ts";
import { type OwnServer, startOwnServer, superuserClient } from "../server.ts";
import { statementsOf } from "./statements.ts";

// A job of every minute: some run of it falls into most of the tests, and none of them may mind.
const merchants = {
  acme: { jobs: { ops_cleanup: { schedule: "* * * * *" } } },
  bluebird: { jobs: { lot_expiry: { schedule: "30 2 * * *" } } },
  coral: { suspended: true },
};
let server: RunningServer;
let project: Project;
let own: OwnServer;

beforeAll(async () => {
  own = await startOwnServer({ settings: { "pg_stat_statements.track": "all", log_connections: "on" } });
  server = own.server;
  project = await makeProject({ merchants, server });
  await statementsOf(server).forget();
});
afterAll(async () => {
  project.remove();
  await own.remove();
});

async function ask<T>(database: string, sql: string): Promise<T[]> {
  const client = await superuserClient(database, server);
  try {
    return (await client.query(sql)).rows as T[];
  } finally {
    await client.end();
  }
}

/** Everything that a run may change on the server, as text: databases, roles, jobs, registry, applied files. */
async function everything(): Promise<string> {
  const databases = await ask<{ datname: string }>(
    "postgres",
    "select datname from pg_database where datname like 'merchant%' order by 1",
  );
  const found: unknown[] = [
    databases,
    await ask(
      "postgres",
      "select rolname, rolconnlimit, rolconfig from pg_roles where rolname like 'merchant%' order by 1",
    ),
    await ask("cron", "select jobid, jobname, username, database, schedule, command, active from cron.job order by 1"),
    await ask("cron", "select * from merchant_jobs.merchants order by 1"),
  ];
  for (const { datname } of databases) {
    found.push(await ask(datname, "select file, sha256, applied_at from merchant_jobs.applied_files order by 1"));
  }
  return JSON.stringify(found);
}

const up = (...flags: string[]) => project.pulumi("up", "--yes", "--skip-preview", ...flags);

test("a preview shows what will be made, and opens no connection", async () => {
  const opened = statementsOf(server).connections();
  const { status, out, err } = await project.pulumi("preview", "--diff");
  expect(status, err + out).toBe(0);
  for (const name of ["acme-crontab", "bluebird-database", "coral-access", "home-cron", "roster"])
    expect(out).toContain(name);
  // Two merchants, each with its ops_cleanup, catch_up and idempotency_cleanup.
  expect(out + err).toContain("cell home: at most 6 of 10 jobs start in one minute, 03:00 GMT");
  expect(statementsOf(server).connections()).toBe(opened);
});

test("up onboards three merchants from nothing", async () => {
  const { status, out, err } = await up();
  expect(status, err + out).toBe(0);
  expect(
    await ask("cron", "select jobname, schedule, active from cron.job where database <> 'cron' order by 1"),
  ).toEqual(
    [
      ["acme:catch_up", "*/15 * * * *", true],
      ["acme:history_cleanup", "30 3 * * *", true],
      ["acme:idempotency_cleanup", "0 3 * * *", true],
      ["acme:lot_expiry", "0 2 * * *", true],
      ["acme:ops_cleanup", "* * * * *", true],
      ["bluebird:catch_up", "*/15 * * * *", true],
      ["bluebird:history_cleanup", "30 3 * * *", true],
      ["bluebird:idempotency_cleanup", "0 3 * * *", true],
      ["bluebird:lot_expiry", "30 2 * * *", true],
      ["bluebird:ops_cleanup", "*/5 * * * *", true],
      ["coral:catch_up", "*/15 * * * *", false],
      ["coral:history_cleanup", "30 3 * * *", false],
      ["coral:idempotency_cleanup", "0 3 * * *", false],
      ["coral:lot_expiry", "0 2 * * *", false],
      ["coral:ops_cleanup", "*/5 * * * *", false],
    ].map(([jobname, schedule, active]) => ({ jobname, schedule, active })),
  );
  expect(await ask("cron", "select merchant, suspended from merchant_jobs.merchants order by 1")).toEqual([
    { merchant: "acme", suspended: false },
    { merchant: "bluebird", suspended: false },
    { merchant: "coral", suspended: true },
  ]);
  expect(
    await ask(
      "postgres",
      "select datname, pg_get_userbyid(datdba) as owner, datconnlimit from pg_database where datname like 'merchant%' order by 1",
    ),
  ).toEqual(
    ["acme", "bluebird", "coral"].map((id) => ({
      datname: `merchant_${id}`,
      owner: `merchant_${id}_owner`,
      datconnlimit: 50,
    })),
  );
});

test("up again writes nothing, and a preview expects no change", async () => {
  const before = await everything();
  await statementsOf(server).forget();
  const { status, out, err } = await up("--expect-no-changes");
  expect(status, err + out).toBe(0);
  expect(await statementsOf(server).all()).toEqual([]);
  const look = await project.pulumi("preview", "--refresh", "--diff", "--expect-no-changes");
  expect(look.status, look.err + look.out).toBe(0);
  expect([...sectionsOf(look.out).keys()]).toEqual([]);
  expect(await statementsOf(server).writes()).toEqual([]);
  expect(await everything()).toBe(before);
});

test("a merchant is six resources and at most 20 kB of state, and no secret is in it", async () => {
  const { resources } = await project.state();
  const of = resources.filter(({ urn }) => /::(?:acme|acme-[a-z]+)$/.test(urn));
  expect(of.map(({ type }) => type.split(":").at(-1)).sort()).toEqual([
    "Access",
    "Crontab",
    "Database",
    "Merchant",
    "Migrations",
    "Role",
  ]);
  // Besides where in the program each was declared, which the CLI adds: 5 kB.
  const own = of.map((resource) => ({ ...resource, sourcePosition: undefined, stackTrace: undefined }));
  expect(Buffer.byteLength(JSON.stringify(own, null, 4))).toBeLessThanOrEqual(20_000);
  expect(JSON.stringify(resources)).not.toContain(server.password);
});

test("a merchant that is added touches its own resources and the roster, nothing else", async () => {
  const before = await ask("cron", "select * from cron.job order by jobid");
  await statementsOf(server).forget();
  project.setMerchants({ ...merchants, dahlia: {} });
  const preview = await project.pulumi("preview", "--json");
  expect(changed(preview.out)).toEqual([
    "create dahlia",
    "create dahlia-access",
    "create dahlia-crontab",
    "create dahlia-database",
    "create dahlia-migrations",
    "create dahlia-owner",
    "update roster",
  ]);
  const { status, out, err } = await up();
  expect(status, err + out).toBe(0);
  const touched = new Set((await statementsOf(server).writes()).map(({ database }) => database));
  expect([...touched].filter((database) => /^merchant_(?!dahlia)/.test(database))).toEqual([]);
  expect((await ask("cron", "select * from cron.job order by jobid")).slice(0, before.length)).toEqual(before);
});

test("a changed schedule shows as old => new without a connection, and is applied to that merchant only", async () => {
  const opened = statementsOf(server).connections();
  project.setMerchants({ ...merchants, dahlia: { jobs: { lot_expiry: { schedule: "30 2 * * *" } } } });
  const out = unaligned((await project.pulumi("preview", "--diff")).out);
  expect(out).toContain('~ schedule: "0 2 * * *" => "30 2 * * *"');
  const preview = await project.pulumi("preview", "--json");
  expect(changed(preview.out)).toEqual(["update dahlia-crontab"]);
  expect(renderSummary(summarize("test", parseEngineOutput(preview.out)))).toContain(
    "- **`dahlia`**: job `lot_expiry` schedule `0 2 * * *` => `30 2 * * *`",
  );
  project.setMerchants({ ...merchants, dahlia: {} }, { cell: { scheduler: "runner" } });
  const toRunner = unaligned((await project.pulumi("preview", "--diff")).out);
  // Of the cell's files and of its probe, and of each merchant, which has no other line.
  const shown = ["home-cron", "home-probe", ...[...Object.keys(merchants), "dahlia"].map((id) => `${id}-crontab`)];
  expect(toRunner.split('~ scheduler: "pg_cron" => "runner"')).toHaveLength(shown.length + 1);
  expect(toRunner).toContain(`~ ${shown.length} to update`);
  expect(toRunner).not.toContain("~ jobs");
  expect(statementsOf(server).connections()).toBe(opened);
  project.setMerchants({ ...merchants, dahlia: { jobs: { lot_expiry: { schedule: "30 2 * * *" } } } });
  expect((await up()).status).toBe(0);
  expect(await ask("cron", "select schedule from cron.job where jobname = 'dahlia:lot_expiry'")).toEqual([
    { schedule: "30 2 * * *" },
  ]);
});

test("a spread and a time zone show in the preview as the schedules they make, and are applied", async () => {
  const dahlia = {
    timezone: "America/New_York",
    jobs: { lot_expiry: { spread: "45m" }, ops_cleanup: { spread: "5m" } },
  };
  project.setMerchants({ ...merchants, dahlia });
  const out = unaligned((await project.pulumi("preview", "--diff")).out);
  expect(out).toContain('~ schedule: "*/5 * * * *" => "2-59/5 * * * *"');
  expect(out).toContain('~ schedule: "30 2 * * *" => "29 6,7 * * *"');
  expect(out).toContain('+ due: "29 2 * * *"');
  expect(out).toContain('+ timezone: "America/New_York"');
  expect((await up()).status).toBe(0);
  const drifted = "update app.jobs set due_schedule = '{\"every\": 1}', enabled = false where name = 'lot_expiry'";
  await ask("merchant_dahlia", drifted);
  const look = await project.pulumi("preview", "--refresh", "--diff", "--expect-no-changes");
  expect(look.status, look.err + look.out).toBe(7);
  for (const text of ["dueSchedule", "enabled", "lot_expiry"]) expect(look.out).toContain(text);
  expect((await up("--refresh")).status).toBe(0);
  expect((await project.pulumi("preview", "--refresh", "--expect-no-changes")).status).toBe(0);
  expect(
    await ask("merchant_dahlia", "select schedule, timezone, enabled from app.jobs where name = 'lot_expiry'"),
  ).toEqual([{ schedule: "29 2 * * *", timezone: "America/New_York", enabled: true }]);
});

test("a suspended merchant's jobs stop being active", async () => {
  project.setMerchants({ ...merchants, dahlia: { suspended: true } });
  expect((await up()).status).toBe(0);
  expect(await ask("cron", "select distinct active from cron.job where database = 'merchant_dahlia'")).toEqual([
    { active: false },
  ]);
  project.setMerchants({ ...merchants, dahlia: {} });
  expect((await up()).status).toBe(0);
});

test("a merchant whose line vanished, or that moved, is refused in preview and up, before anything is touched", async () => {
  const before = await everything();
  // dahlia is in the roster by now, and not in `merchants`.
  const cases = [merchants, { ...merchants, dahlia: { database: "elsewhere" } }];
  for (const now of cases) {
    project.setMerchants(now);
    await statementsOf(server).forget();
    for (const command of [() => project.pulumi("preview"), () => up(), () => up("--refresh")]) {
      const { status, out, err } = await command();
      expect(status).not.toBe(0);
      expect(out + err).toContain("merchant-jobs:merchants.dahlia");
      expect(out + err).toContain("put");
    }
    expect(await statementsOf(server).writes()).toEqual([]);
    expect(await everything()).toBe(before);
  }
  project.setMerchants({ ...merchants, dahlia: {} });
  expect((await up("--expect-no-changes")).status).toBe(0);
});

test("destroy is refused by protection, and nothing is deleted", async () => {
  const before = await everything();
  const { status, out, err } = await project.pulumi("destroy", "--yes", "--skip-preview");
  expect(status).not.toBe(0);
  expect(out + err).toMatch(/protect/);
  expect(await everything()).toBe(before);
});

test("an edited applied migration stops in the preview by its name, and nothing is applied", async () => {
  const file = path.join(project.folder, "sql/merchant/ledger/migrations/002_create_ledger.sql");
  const before = await everything();
  appendFileSync(file, "\n-- edited\n");
  for (const { status, out, err } of [await project.pulumi("preview"), await up()]) {
    expect(status).not.toBe(0);
    expect(out + err).toContain("ledger/migrations/002_create_ledger.sql");
    expect(out + err).toContain("was edited after it was applied");
  }
  expect(await everything()).toBe(before);
  writeFileSync(
    file,
    (await import("node:fs")).readFileSync(
      path.join(import.meta.dirname, "../../sql/merchant/ledger/migrations/002_create_ledger.sql"),
    ),
  );
});

test("a failing migration is reported with file, line and caret for each merchant, and the next up goes on", async () => {
  const file = path.join(project.folder, "sql/merchant/ledger/migrations/003_add_note.sql");
  writeFileSync(file, "alter table app.lots\n  add column note nope;\n");
  const { status, out, err } = await up();
  expect(status).not.toBe(0);
  expect(out + err).toContain('ledger/migrations/003_add_note.sql:2:19: type "nope" does not exist (42704)');
  expect(out + err).toMatch(/^ *2 \| {3}add column note nope;\n *\| {19}\^$/m);
  rmSync(file);
  writeFileSync(file, "alter table app.lots\n  add column note text;\n");
  const fixed = await up();
  expect(fixed.status, fixed.err + fixed.out).toBe(0);
  expect((await project.pulumi("preview", "--refresh", "--expect-no-changes")).status).toBe(0);
});

test("a merchant whose database was renamed away gets no empty ledger in its place", async () => {
  await ask("postgres", "alter database merchant_bluebird rename to merchant_bluebird_old");
  const { status, out, err } = await up("--refresh");
  expect(status).not.toBe(0);
  expect(out + err).toContain(
    "merchant bluebird of cell home was onboarded before, and its database merchant_bluebird is empty now",
  );
  expect(await ask("merchant_bluebird", "select to_regclass('app.lots') as t")).toEqual([{ t: null }]);
  await ask("postgres", "drop database merchant_bluebird");
  await ask("postgres", "alter database merchant_bluebird_old rename to merchant_bluebird");
  const back = await up("--refresh");
  expect(back.status, back.err + back.out).toBe(0);
  expect((await project.pulumi("preview", "--refresh", "--expect-no-changes")).status).toBe(0);
});

test("an administrator who cannot see other roles' jobs is told what is missing, and nothing is lost or planned", async () => {
  const before = await everything();
  await ask("postgres", `alter role ${server.admin} nobypassrls`);
  for (const { status, out, err } of [await project.pulumi("preview", "--refresh", "--diff"), await up("--refresh")]) {
    expect(status).not.toBe(0);
    expect(out + err).toContain(`could not look, because ${server.admin} lacks BYPASSRLS`);
    expect(out + err).not.toMatch(/delete|lost|crontab update/);
  }
  await ask("postgres", `alter role ${server.admin} bypassrls`);
  expect(await everything()).toBe(before);
  expect((await project.pulumi("preview", "--refresh", "--expect-no-changes")).status).toBe(0);
});

test("a wrong stack file is refused with every problem at once", async () => {
  const before = await everything();
  project.setMerchants({
    ...merchants,
    dahlia: { suspendd: true, jobs: { lot_expiri: {}, ops_cleanup: { schedule: "61 * * * *" } } },
  });
  const { status, out, err } = await project.pulumi("preview");
  expect(status).not.toBe(0);
  for (const text of ["suspendd", "lot_expiri", "61 * * * *", "3 problems"]) expect(out + err).toContain(text);
  expect(out + err).not.toMatch(/^\s+at /m);
  expect(await everything()).toBe(before);
  project.setMerchants({ ...merchants, dahlia: {} });
});

/** Operation and name of every resource that a `preview --json` changes. */
function changed(out: string): readonly string[] {
  return parseEngineOutput(out)
    .steps.filter(({ op, urn }) => op !== "same" && !urn.includes("pulumi:pulumi:Stack"))
    .map(({ op, urn }) => `${op} ${urn.split("::").at(-1) ?? ""}`)
    .sort();
}
