// A cell on RDS, as converge meets it: AWS is a stand-in (moto), PostgreSQL is real and speaks TLS with a private authority.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { applyAccess, readAccess } from "../../converge/access.ts";
import { type CellAddress, resolveAddress } from "../../converge/address.ts";
import { makeAdministrator, readAdministratorSql } from "../../converge/aws/administrator.ts";
import { readInstance } from "../../converge/aws/instance.ts";
import { iamPassword, secretPassword } from "../../converge/aws/passwords.ts";
import { assertInForce, assertStanding, type RdsInstance, readStanding } from "../../converge/aws/standing.ts";
import { applyCrontab, readCrontab } from "../../converge/crontab.ts";
import { applyMigrations } from "../../converge/migrations.ts";
import { assertReady, readProbe } from "../../converge/probe.ts";
import { withCronSession, withSession } from "../../converge/session.ts";
import { parseConfig } from "../../runner/config.ts";
import { connect, serverOf } from "../../runner/connection.ts";
import { parseStack } from "../../spec/stack.ts";
import { MOTO_SECRET } from "../aws/moto.ts";
import { filesOf, makeDatabase, prepareCell, specOf, sqlRoot, targetsOf } from "../merchants.ts";
import { restartPostmaster, superuserClient, waitFor } from "../server.ts";
import { REGION } from "../aws/rds-api.ts";
import { startWorld, type World } from "../aws/world.ts";

const SECRET = "merchants/administrator";
const PATIENCE = { until: 5_000, between: 10 };
const right = { "cron.database_name": "cron", shared_preload_libraries: "pg_stat_statements,pg_cron" };
let world: World;

beforeAll(async () => {
  world = await startWorld();
  await world.api.makeInstance("old-1", right, { multiAz: true });
  await world.writeSecret(SECRET, secretOf(world.tls.own.server.password));
});
afterAll(async () => {
  await world.stop();
});

const secretOf = (password: string) => JSON.stringify({ username: world.tls.own.server.admin, password });
const rotate = () => world.rotate(world.tls.own.server.admin, SECRET);

/** A cell on the instance `old-1`, which is the test's own server. */
function adopted(more: object = {}): Promise<CellAddress> {
  const { host, port, admin } = world.tls.own.server;
  const cell = {
    kind: "adopted",
    region: REGION,
    identifier: "old-1",
    host,
    port,
    admin,
    caFile: world.tls.authority.caFile,
  };
  const { cells } = parseStack({
    cells: { home: { ...cell, credential: { secret: SECRET }, ...more } },
    merchants: {},
  });
  const spec = cells["home"];
  if (spec === undefined) throw new Error("no cell");
  return resolveAddress(spec, () => undefined);
}

const whoAmI = (address: CellAddress) =>
  withSession(address, "postgres", async (session) => {
    const { rows } = await session.query<{ me: string }>("select current_user as me");
    return rows[0]?.me;
  });

describe("an administrator whose password is in a secret", () => {
  test("logs in after a rotation with what the secret has then, on new connections and on the pool's", async () => {
    const address = await adopted();
    expect(await whoAmI(address)).toBe(world.tls.own.server.admin);
    await withCronSession(address, (session) => session.query("select 1"));
    await (
      await rotate()
    )();
    expect(await whoAmI(address)).toBe(world.tls.own.server.admin);
    await world.tls.sql(
      "postgres",
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'merchant-jobs converge'",
    );
    const many = Array.from({ length: 6 }, () => withCronSession(address, (session) => session.query("select 1")));
    const after = await Promise.allSettled(many);
    // A connection of the pool that was cut fails the query it had; the next ones are new.
    expect(after.some(({ status }) => status === "fulfilled")).toBe(true);
  });

  test("converges a merchant through two rotations, one of them half done when it is met", async () => {
    const address = await adopted();
    const spec = specOf("rotated");
    await prepareCell(address);
    await makeDatabase(spec, { ...world.tls.own.server, password: await world.passwordIn(SECRET) });
    const { access, migrations, crontab } = targetsOf(spec, address);
    const finish = await rotate();
    const migrating = applyMigrations(migrations, filesOf(migrations));
    await finish();
    await migrating;
    await (
      await rotate()
    )();
    await applyCrontab(crontab);
    expect(await applyCrontab(crontab)).toEqual([]);
    expect(await readAccess(access)).toEqual({});
    expect(Object.keys((await readCrontab(crontab))?.jobs ?? {})).toContain("lot_expiry");
  });

  test.for<readonly [string, string | undefined, RegExp]>([
    ["is not there", undefined, /secretsmanager:GetSecretValue of merchants\/none failed/],
    ["is no JSON", "hunter2", /has no password in it: write it as/],
    ["has no password", '{"username": "platform_admin"}', /has no password in it/],
    [
      "is somebody else's",
      '{"username": "somebody", "password": "hunter2"}',
      /is of somebody, and the cell's administrator is/,
    ],
  ])("that %s is told what is wrong, and nothing of it is shown", async ([name, text, message]) => {
    const secret = text === undefined ? "merchants/none" : `merchants/${name.replaceAll(/\W/g, "-")}`;
    if (text !== undefined) await world.writeSecret(secret, text);
    const error = await world.failureOf(whoAmI(await adopted({ credential: { secret } })));
    expect(["no_credential", "cannot_look"]).toContain(error.code);
    expect(error.message).toMatch(message);
    expect(error.message).not.toContain("hunter2");
  });

  test("is refused when the secret keeps a password that the server does not take", async () => {
    await world.writeSecret("merchants/stale", secretOf("stale"));
    const { admin: user } = world.tls.own.server;
    const password = secretPassword({ cell: "home", region: REGION, user }, "merchants/stale", 1);
    const error = await world.failureOf(whoAmI({ ...(await adopted()), password }));
    expect(error.code).toBe("not_connected");
    expect(error.message).toContain("check the cell's credential");
  });
});

test("an administrator by IAM gets a token for its host and role, which is signed here", async () => {
  const at = { cell: "home", region: REGION, host: "db.example.com", port: 5432, user: "merchant_admin" };
  const token = await iamPassword(at).current();
  const url = new URL(`https://${token}`);
  expect(url.host).toBe("db.example.com:5432");
  const asked = Object.fromEntries(url.searchParams);
  expect(asked).toMatchObject({ Action: "connect", DBUser: "merchant_admin", "X-Amz-Expires": "900" });
  expect(asked["X-Amz-Credential"]).toContain(`/${REGION}/rds-db/`);
  expect(token).not.toContain(MOTO_SECRET);
});

describe("an instance", () => {
  const of = (identifier: string, rebootWhenPending: "never" | "now" = "never"): RdsInstance => ({
    cell: "eu-1",
    region: REGION,
    identifier,
    rebootWhenPending,
    iam: true,
  });

  test("that is not there, and one with a wrong group, are told apart, with what helps", async () => {
    const none = await world.failureOf(readStanding(of("none")));
    expect([none.code, none.message]).toEqual([
      "not_connected",
      "cell eu-1: the instance none is not there in eu-central-1; is this its identifier, and its region?",
    ]);
    await world.api.makeInstance("wrong-1", { shared_preload_libraries: "pg_stat_statements" });
    const wrong = await world.failureOf(assertStanding(of("wrong-1", "now")));
    expect(wrong.code).toBe("cell_not_ready");
    expect(wrong.message).toContain(
      "ParameterName='shared_preload_libraries',ParameterValue='pg_stat_statements,pg_cron'",
    );
    expect(world.api.reboots).toEqual([]);
  });

  test("that waits is left alone with the command, and rebooted where that is allowed, by failover where it can", async () => {
    await world.api.makeInstance("single-1", right);
    world.api.waiting.add("old-1").add("single-1");
    const error = await world.failureOf(assertStanding(of("old-1")));
    expect(error.message).toContain("waits for a reboot");
    expect(error.message).toContain("--db-instance-identifier old-1 --force-failover");
    expect(world.api.reboots).toEqual([]);
    const first = assertStanding(of("old-1", "now"), PATIENCE);
    // Both ask AWS how they stand before they take their turn: the one that is answered first goes first.
    await waitFor(() => world.api.reboots.length > 0, { what: "the first is being rebooted" });
    await Promise.all([first, assertStanding(of("single-1", "now"), PATIENCE)]);
    expect(world.api.reboots).toEqual(["old-1 by failover", "single-1"]);
    expect(await readStanding(of("old-1"))).toEqual({ state: "ready" });
  });

  test("whose server runs with other parameters than its group is found by the server, and named", async () => {
    const address = await adopted();
    await assertInForce(address, of("old-1"), { shared_preload_libraries: "pg_cron", "cron.database_name": "cron" });
    const error = await world.failureOf(assertInForce(address, of("old-1"), { max_locks_per_transaction: "65" }));
    expect(error.message).toContain("cell eu-1 waits for a reboot: max_locks_per_transaction of its parameter group");
  });
});

describe("the administrator of an instance that the stack makes", () => {
  let address: CellAddress;

  beforeAll(async () => {
    await world.api.makeInstance("made-1", right);
    const rds: RdsInstance = {
      cell: "made",
      region: REGION,
      identifier: "made-1",
      rebootWhenPending: "never",
      iam: true,
    };
    const { masterSecret } = await readInstance(rds);
    // moto keeps a secret, of a user that it calls admin whatever the instance says.
    const password = world.newPassword();
    await world.writeSecret(masterSecret ?? "", JSON.stringify({ username: "merchant_master", password }));
    const { host, port } = world.tls.own.server;
    const login = { cell: "made", region: REGION, host, port, user: "merchant_admin" };
    address = {
      ...login,
      scheduler: "pg_cron",
      tls: "verify-full",
      ca: world.tls.authority.pem,
      password: iamPassword(login),
      rds,
    };
    // What RDS has: its two roles, and a master user who is a member of rds_superuser, owns the cron database and may give
    // rights on pg_cron away.
    await world.tls.sql(
      "cron",
      "create role rds_superuser",
      "create role rds_iam",
      `create role merchant_master login createdb createrole password '${password}'`,
      "grant rds_superuser to merchant_master",
      "grant pg_monitor, pg_signal_backend to rds_superuser",
      "grant connect on database cron to merchant_master with grant option",
      "grant create, temporary on database cron to merchant_master with grant option",
      "grant usage on schema cron to merchant_master with grant option",
      "grant execute on all functions in schema cron to merchant_master with grant option",
      "grant select, delete on cron.job, cron.job_run_details to merchant_master with grant option",
    );
  });

  test("is made by the master user, by the secret that RDS keeps, once and again", async () => {
    const sql = readAdministratorSql(sqlRoot);
    if (address.rds === undefined) throw new Error("no instance");
    await makeAdministrator(address, address.rds, sql.text);
    await makeAdministrator(address, address.rds, sql.text);
    const client = await superuserClient("cron", world.tls.own.server);
    const found = await client
      .query<{ member: string; role: string }>(
        `select m.rolname as member, r.rolname as role
         from pg_auth_members as a join pg_roles as m on m.oid = a.member join pg_roles as r on r.oid = a.roleid
         where m.rolname in ('merchant_admin', 'merchant_jobs_runner') order by 1, 2`,
      )
      .finally(() => client.end());
    expect(found.rows.map(({ member, role }) => `${member} in ${role}`)).toEqual([
      "merchant_admin in pg_read_all_settings",
      "merchant_admin in pg_read_all_stats",
      "merchant_admin in pg_signal_backend",
      "merchant_admin in rds_iam",
      "merchant_admin in rds_superuser",
      "merchant_jobs_runner in rds_iam",
    ]);
  });

  test("converges a merchant, whose application logs in by IAM", async () => {
    // On RDS a token of IAM is checked, and rds_superuser sees every job: here nobody can check one, and BYPASSRLS does that.
    await world.letInByIam("merchant_admin");
    await waitFor(() => whoAmI(address).catch(() => undefined), { what: "merchant_admin to be let in" });
    // The cell's first administrator, of the tests before, had the registry.
    await world.tls.sql("cron", "delete from cron.job", "drop schema merchant_jobs cascade");
    await world.tls.sql("postgres", "alter role merchant_admin bypassrls");
    const spec = specOf("byiam");
    await prepareCell(address);
    await withSession(address, "postgres", async (session) => {
      await session.query(`create role ${spec.ownerRole}`);
      await session.query(`grant pg_read_all_stats to ${spec.ownerRole}`);
    });
    const { access, migrations, crontab } = targetsOf(spec, address);
    await applyAccess({ ...access, appLogin: "iam" });
    await withSession(address, "postgres", (session) =>
      session.query(`create database ${spec.database} owner ${spec.ownerRole}`),
    );
    await applyMigrations(migrations, filesOf(migrations));
    await applyCrontab(crontab);
    expect(await applyCrontab(crontab)).toEqual([]);
    expect(await readAccess({ ...access, appLogin: "iam" })).toEqual({});
    expect(await readAccess(access)).toEqual({ [`${spec.appRole} in rds_iam`]: "member" });
    await assertReady(address);
    expect(await readProbe(address)).toEqual({});
  });

  test("lets the runner in by IAM, which needs no password", async () => {
    await world.letInByIam("merchant_jobs_runner");
    const { host, port } = world.tls.own.server;
    const yaml = `cells: {made: {host: "${host}", port: ${port}, credential: {iam: ${REGION}}, caFile: "${world.tls.authority.caFile}"}}`;
    const cell = parseConfig(yaml, "the test").cells["made"];
    if (cell === undefined) throw new Error("no cell");
    const connection = await waitFor(
      () =>
        connect(
          serverOf("made", cell, () => undefined),
          "cron",
          5_000,
        ).catch(() => undefined),
      { what: "the runner to be let in" },
    );
    expect((await connection.client.query("select merchant from merchant_jobs.merchants")).rows).toEqual([
      { merchant: "byiam" },
    ]);
    await connection.close();
  });

  test("sees in the probe that the instance waits, and goes on as long as pg_cron runs", async () => {
    world.api.waiting.add("made-1");
    expect(await readProbe(address)).toEqual({
      instance: expect.stringContaining("cell made waits for a reboot") as string,
    });
    await assertReady(address);
  });

  test("without pg_cron's library writes no crontab, and says exactly what the instance waits for", async () => {
    await world.tls.sql("postgres", "alter system set shared_preload_libraries = pg_stat_statements");
    await restartPostmaster(world.tls.own);
    const sentence =
      "cell made waits for a reboot: what was changed in its parameter group made-1-parameters is not in force before: " +
      "aws rds reboot-db-instance --region eu-central-1 --db-instance-identifier made-1";
    const { crontab } = targetsOf(specOf("byiam"), address);
    const error = await waitFor(
      () =>
        world.failureOf(applyCrontab(crontab)).then((failed) => (failed.code === "not_connected" ? undefined : failed)),
      { what: "the server to answer again" },
    );
    expect([error.code, error.message]).toEqual(["cell_not_ready", sentence]);
    expect((await world.failureOf(assertReady(address))).message).toContain(sentence);
    expect(await readProbe(address)).toEqual({ shared_preload_libraries: sentence });
  });
});
