// What docs/runbook/ says, done on PostgreSQL of this machine as far as that goes: after each, jobs run, and a look says what is
// as declared.
import {
  appendFileSync,
  chownSync,
  createReadStream,
  createWriteStream,
  mkdirSync,
  mkdtempSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { expect, test } from "vitest";
import { readAccess } from "../../converge/access.ts";
import { findDumpPrograms, runDumpProgram } from "../../converge/dump-programs.ts";
import { applyCrontab, readCrontab } from "../../converge/crontab.ts";
import type { Content } from "../../converge/export-place.ts";
import { applyMigrations, readMigrations } from "../../converge/migrations.ts";
import { assertReady, readProbe } from "../../converge/probe.ts";
import { withSession } from "../../converge/session.ts";
import type { RunningServer } from "../../local/postgres.ts";
import { serverAccount } from "../../local/postgres/account.ts";
import { findCluster, installationOf } from "../../local/postgres/cluster.ts";
import { choosePort } from "../../local/postgres/port.ts";
import { launchPostmaster, stopPostmaster } from "../../local/postgres/postmaster.ts";
import { runProgram } from "../../local/postgres/programs.ts";
import { JobsDatabase } from "../jobs/database.ts";
import { fillLedger } from "../jobs/ledger-by-pg-cron.ts";
import { filesOf, onboard, prepareCell, specOf, targetsOf, testCell } from "../merchants.ts";
import { dropMerchantLeftovers, freshName, startOwnServer, superuserClient, testServer, waitFor } from "../server.ts";

const everyMinute = { jobs: { ops_cleanup: { schedule: "* * * * *" } } };
const SECONDS_TO_A_RUN = 120;

test("one merchant is restored from a dump beside its database, and converging says that all is as declared", async () => {
  const id = freshName("restore");
  const folder = mkdtempSync(path.join(tmpdir(), "merchant-jobs-restore-"));
  const file = path.join(folder, "merchant.dump");
  const spec = specOf(id);
  const address = testCell();
  const hour = () => Date.now() + 3_600_000;
  try {
    await prepareCell();
    const { access, migrations, crontab } = await onboard(spec);
    const { dump, restore } = await findDumpPrograms(Number(testServer().postgresVersion.split(".")[0]));
    const keep = await JobsDatabase.open(spec.database);
    await fillLedger(keep);
    await keep.close();
    const before = await tablesOf(spec.database);
    const takeOutput = (content: Content) => pipeline(content, createWriteStream(file));
    await runDumpProgram(address, spec.database, dump, ["--format=custom"], { takeOutput }, hour());

    // What must be undone.
    const spoiled = await JobsDatabase.open(spec.database);
    await spoiled.rows("delete from app.job_runs");
    await spoiled.rows("drop view app.recent_runs");
    await spoiled.close();

    const { owner, restored, kept } = {
      owner: spec.ownerRole,
      restored: `${spec.database}_r`,
      kept: `${spec.database}_b`,
    };
    const admin = (...statements: readonly string[]) =>
      withSession(address, "postgres", async (session) => {
        for (const statement of statements) await session.query(statement);
      });
    await admin(`create database ${restored} owner ${owner} template template0`);
    await runDumpProgram(
      address,
      restored,
      restore,
      [`--role=${owner}`, "--exit-on-error", `--dbname=${restored}`],
      { input: createReadStream(file) },
      hour(),
    );
    await admin(
      `alter database ${spec.database} rename to ${kept}`,
      `alter database ${restored} rename to ${spec.database}`,
    );

    // What a person sees: whatever the dump of one database does not carry. An up gives it back.
    const found = await readMigrations(migrations);
    expect(Object.keys(found?.differs ?? {}).sort()).toEqual(["database", `settings of role ${spec.jobRole}`]);
    await applyMigrations(migrations, filesOf(migrations));
    await applyCrontab(crontab);
    expect((await readMigrations(migrations))?.differs).toEqual({});
    expect(await readAccess(access)).toEqual({});
    expect(await applyCrontab(crontab)).toEqual([]);
    expect(await tablesOf(spec.database)).toEqual(before);
    const db = await JobsDatabase.open(spec.database);
    await db.rows("call app.expire_lots()");
    expect(await db.rows("select status from app.job_runs")).toEqual([{ status: "succeeded" }]);
    await db.close();
  } finally {
    rmSync(folder, { recursive: true, force: true });
    await dropMerchantLeftovers(`merchant_${id}`);
  }
});

/** Rows of every table of the merchant, but for the runs. */
async function tablesOf(database: string): Promise<unknown> {
  const db = await JobsDatabase.open(database);
  try {
    return await db.rows(
      `select c.oid::regclass::text as name,
         (xpath('/row/c/text()', query_to_xml(format('select count(*) as c from %s', c.oid::regclass), false, true, '')))[1]::text as rows
       from pg_class as c where c.relkind = 'r' and c.relnamespace::regnamespace::text in ('app', 'merchant_jobs')
         and c.relname not in ('job_runs') order by 1`,
    );
  } finally {
    await db.close();
  }
}

test("a standby that is promoted starts pg_cron with the same crontab, and nothing is to be repaired", async () => {
  const own = await startOwnServer({ settings: { wal_level: "replica", max_wal_senders: "4" } });
  const cluster = await findCluster(own.folder);
  if (cluster === undefined) throw new Error("the server has no data folder");
  const { binFolder } = await installationOf(cluster, undefined);
  const as = await serverAccount(cluster.dataFolder);
  const standby = { dataFolder: path.join(cluster.home, "standby"), clusterName: `${cluster.clusterName}-standby` };
  try {
    await prepareCell(testCell(own.server));
    const spec = specOf("promoted", everyMinute);
    await onboard(spec, undefined, own.server);
    const port = await choosePort(own.folder);
    const { host, superuser } = own.server;
    const from = `host=${host} port=${own.server.port} user=${superuser.user} password=${superuser.password}`;
    mkdirSync(standby.dataFolder, { mode: 0o700 });
    if (as) chownSync(standby.dataFolder, as.uid, as.gid);
    const backup = ["-D", standby.dataFolder, "-d", from, "-X", "stream", "-R", "-c", "fast"];
    const copied = await runProgram(path.join(binFolder, "pg_basebackup"), backup, { as });
    expect(copied.status, copied.stderr).toBe(0);
    appendFileSync(
      path.join(standby.dataFolder, "postgresql.auto.conf"),
      `port = ${port}\ncluster_name = '${standby.clusterName}'\n`,
    );
    await launchPostmaster(path.join(binFolder, "postgres"), standby, { as, logFile: `${cluster.logFile}.standby` });

    const promoted: RunningServer = { ...own.server, port };
    const address = testCell(promoted);
    const { crontab, migrations } = targetsOf(spec, address);
    const waiting = await superuserClient("cron", promoted);
    const { rows } = await waiting.query("select 1 from pg_stat_activity where application_name = 'pg_cron scheduler'");
    expect(rows, "pg_cron on a standby waits").toEqual([]);
    await stopPostmaster(cluster, "immediate");
    await waiting.query("select pg_promote()");
    const since = await waiting.query<{ now: Date }>("select clock_timestamp() as now");
    await waiting.end();

    await waitFor(
      () =>
        assertReady(address).then(
          () => true,
          () => false,
        ),
      { what: "pg_cron to run on the standby" },
    );
    expect(await readProbe(address)).toEqual({});
    expect((await readMigrations(migrations))?.differs).toEqual({});
    expect(await applyCrontab(crontab)).toEqual([]);
    expect(Object.keys((await readCrontab(crontab))?.jobs ?? {})).toHaveLength(5);
    const db = await JobsDatabase.open(spec.database, promoted);
    await waitFor(
      async () => {
        const runs = await db.rows("select from app.job_runs where status = 'succeeded' and started_at > $1", [
          since.rows[0]?.now,
        ]);
        return runs.length > 0;
      },
      { what: "a run by pg_cron after the promotion", timeoutMs: SECONDS_TO_A_RUN * 1_000 },
    );
    await db.close();
  } finally {
    await stopPostmaster(standby, "immediate").catch(() => undefined);
    await own.remove();
  }
});
