// docs/runbook/major-upgrade.md, done by pg_upgrade on this machine: a converged cell goes from PostgreSQL 15 with pg_cron 1.4 to
// PostgreSQL 17 with pg_cron 1.6. Each test goes on where the one before it ended.
import { chownSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { applyAccess, readAccess } from "../../converge/access.ts";
import { applyCrontab, readCrontab } from "../../converge/crontab.ts";
import { applyMigrations, readMigrations } from "../../converge/migrations.ts";
import { assertReady, readProbe } from "../../converge/probe.ts";
import { serverAccount } from "../../local/postgres/account.ts";
import { findCluster, installationOf } from "../../local/postgres/cluster.ts";
import { launchPostmaster, stopPostmaster } from "../../local/postgres/postmaster.ts";
import { bareEnvironment, runProgram } from "../../local/postgres/programs.ts";
import { postgresqlConf } from "../../local/postgres/settings.ts";
import { filesOf, onboard, prepareCell, specOf, sqlRoot, targetsOf, testCell } from "../merchants.ts";
import { postgres17Root, providePostgres17 } from "../postgres-17.ts";
import { type OwnServer, startOwnServer, superuserClient, waitFor } from "../server.ts";

const specs = [
  specOf("acme", { jobs: { ops_cleanup: { schedule: "* * * * *" } } }),
  specOf("bluebird", { timezone: "America/New_York" }),
];
let own: OwnServer;

beforeAll(async () => {
  await providePostgres17((line) => process.stderr.write(`${line}\n`));
  own = await startOwnServer({ searchRoot: "/usr/lib/postgresql", settings: { max_worker_processes: "20" } });
  await prepareCell(testCell(own.server));
  for (const spec of specs) await onboard(spec, undefined, own.server);
}, 600_000);
afterAll(async () => {
  await own.remove();
});

const address = () => testCell(own.server);
const cron = () => ({ address: address(), database: "cron", set: "cron", root: sqlRoot }) as const;
const targets = () => specs.map((spec) => targetsOf(spec, address()));

/** What a look at the cell finds, by resource; what is as declared is left out. */
async function look(): Promise<Readonly<Record<string, unknown>>> {
  const found: Record<string, unknown> = {
    probe: await readProbe(address()),
    cron: (await readMigrations(cron()))?.differs,
  };
  for (const { access, migrations, crontab } of targets()) {
    const { merchant } = access;
    found[`${merchant}-access`] = await readAccess(access);
    found[`${merchant}-migrations`] = (await readMigrations(migrations))?.differs;
    found[`${merchant}-crontab`] = await applyCrontab(crontab);
  }
  return Object.fromEntries(Object.entries(found).filter(([, differs]) => Object.keys(differs ?? {}).length > 0));
}

async function sql(database: string, statement: string): Promise<readonly Record<string, unknown>[]> {
  const client = await superuserClient(database, own.server);
  try {
    return (await client.query<Record<string, unknown>>(statement)).rows;
  } finally {
    await client.end();
  }
}

test("pg_upgrade takes a converged cell from 15 to 17", async () => {
  expect(await look()).toEqual({});
  // As a version before this one left it.
  await sql("postgres", "revoke admin option for merchant_bluebird_app from platform_admin");
  await sql("merchant_acme", "select app.grant_lot('anna', now() + interval '1 year', 500)");
  const cluster = await findCluster(own.folder);
  if (cluster === undefined) throw new Error("the server has no data folder");
  const { binFolder: from } = await installationOf(cluster, "/usr/lib/postgresql");
  const to = path.join(postgres17Root, "17", "bin");
  const as = await serverAccount(cluster.dataFolder);
  const work = path.join(cluster.home, "upgrade");
  const [old, made, passwordFile] = ["old", "new", "password"].map((name) => path.join(work, name)) as [
    string,
    string,
    string,
  ];
  mkdirSync(work, { mode: 0o700 });
  const { user, password } = own.server.superuser;
  writeFileSync(passwordFile, password, { mode: 0o600 });
  if (as) for (const file of [work, passwordFile]) chownSync(file, as.uid, as.gid);
  await stopPostmaster(cluster, "fast");
  renameSync(cluster.dataFolder, old);
  const initdb = ["--pgdata", made, "--username", user, "--pwfile", passwordFile, "--no-sync"];
  const run = async (program: string, args: readonly string[]) => {
    const { status, stdout, stderr } = await runProgram(path.join(to, program), args, {
      as,
      cwd: work,
      env: { ...bareEnvironment, PGPASSWORD: password },
    });
    expect(status, stdout + stderr).toBe(0);
  };
  await run("initdb", [...initdb, "--locale=C.UTF-8", "--encoding=UTF8", "--auth=scram-sha-256"]);
  const settings = { port: own.server.port, clusterName: cluster.clusterName, cronDatabase: "cron", durable: false };
  writeFileSync(
    path.join(made, "postgresql.conf"),
    postgresqlConf({ ...settings, pgCron: true, knowsTimezone: true, extra: {} }),
  );
  await run("pg_upgrade", [
    ...["--old-datadir", old, "--new-datadir", made, "--old-bindir", from, "--new-bindir", to],
    ...["--username", user, "--socketdir", work, "--no-sync"],
  ]);
  renameSync(made, cluster.dataFolder);
  await launchPostmaster(path.join(to, "postgres"), cluster, { as, logFile: cluster.logFile });
  expect(await sql("postgres", "select current_setting('server_version_num')::int / 10000 as major")).toEqual([
    { major: 17 },
  ]);
});

const server = { server: "major version 15, form 2 => major version 17, form 2" };
const lacking = { "platform_admin in merchant_bluebird_app": "member without admin option" };

test("a look says that the server is another one, and what the administrator lacks; the statement that gives it is said", async () => {
  await waitFor(
    () =>
      assertReady(address()).then(
        () => true,
        () => false,
      ),
    { what: "pg_cron to run on 17" },
  );
  expect(await look()).toEqual({
    "acme-migrations": server,
    "bluebird-migrations": server,
    "bluebird-access": lacking,
  });
  const [, bluebird] = targets();
  const statement = 'grant "merchant_bluebird_app" to "platform_admin" with admin true, inherit false, set false';
  await expect(applyAccess(bluebird!.access)).rejects.toMatchObject({
    code: "missing_right",
    message: expect.stringContaining(statement) as string,
  });
  await sql("postgres", statement);
});

test("jobs run before pg_cron's extension is updated, with what is in the ledger", async () => {
  await runBy17();
  expect(
    await sql(
      "merchant_acme",
      "select account, amount_minor::int as amount from app.ledger_entries join app.lots using (lot_id)",
    ),
  ).toEqual([{ account: "anna", amount: 500 }]);
});

test("an up records how objects look on 17, after which a look is empty", async () => {
  await converge();
  expect(await look()).toEqual({});
});

test("after the extension's update nothing is to be repaired, and jobs run", async () => {
  const version = () => sql("cron", "select extversion as version from pg_extension where extname = 'pg_cron'");
  expect(await version()).toEqual([{ version: "1.4-1" }]);
  await sql("cron", "alter extension pg_cron update");
  expect(await version()).toEqual([{ version: "1.6" }]);
  expect(await look()).toEqual({});
  await runBy17();
  for (const { crontab } of targets()) expect(Object.keys((await readCrontab(crontab))?.jobs ?? {})).toHaveLength(5);
  await converge();
  expect(await look()).toEqual({});
});

/** What `up --refresh` does. */
async function converge(): Promise<void> {
  await applyMigrations(cron(), filesOf(cron()));
  for (const { access, migrations, crontab } of targets()) {
    await applyAccess(access);
    await applyMigrations(migrations, filesOf(migrations));
    await applyCrontab(crontab);
  }
}

/** Waits for a run that pg_cron begins from now on, and that does well. */
async function runBy17(): Promise<void> {
  const [{ now } = {}] = await sql("postgres", "select clock_timestamp()::text as now");
  const runs = `select from app.job_runs where status = 'succeeded' and started_at > '${String(now)}'`;
  await waitFor(async () => (await sql("merchant_acme", runs)).length > 0, {
    what: "a run by pg_cron",
    timeoutMs: 120_000,
  });
}
