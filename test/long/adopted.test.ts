// An instance of RDS that exists, taken over by the whole program: AWS is a stand-in (moto), PostgreSQL is real and speaks TLS,
// its administrator's password is in a secret, and changes in the middle of all.
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { REGION } from "../aws/rds-api.ts";
import { testSecret } from "../aws/secrets.ts";
import { startWorld, type World } from "../aws/world.ts";
import { killWhen, recover } from "../kill-case.ts";
import { unaligned } from "../drift/sections.ts";
import { makeProject, type Outcome, type Project } from "../project.ts";
import { connectAs, superuserClient, waitFor } from "../server.ts";

const SECRET = "merchants/administrator";
const APP_SECRET = "merchant-jobs/old-1/acme/app";
const merchants = { acme: {}, bluebird: {} };
let world: World;
let project: Project;
const outputs: string[] = [];
const arguments_ = new Set<string>();

beforeAll(async () => {
  world = await startWorld();
  const { server } = world.tls.own;
  const values = { "cron.database_name": "cron", shared_preload_libraries: "pg_stat_statements,pg_cron" };
  await world.api.makeInstance("old-1", values);
  await world.writeSecret(SECRET, JSON.stringify({ username: server.admin, password: server.password }));
  project = await makeProject({ merchants, server });
  Object.assign(project.env, world.env);
  declare();
});
afterAll(async () => {
  project.remove();
  await world.stop();
});

/** Writes the stack's merchants, and more of what the cell says. */
function declare(more: object = {}, declared: object = merchants): void {
  const { caFile } = world.tls.authority;
  const cell = { kind: "adopted", region: REGION, identifier: "old-1", caFile, credential: { secret: SECRET } };
  project.setMerchants(declared, { cell: { ...cell, tls: undefined, ...more } });
}

async function run(...args: readonly string[]): Promise<Outcome> {
  const watching = setInterval(watchArguments, 100);
  const outcome = await project.pulumi(...args).finally(() => {
    clearInterval(watching);
  });
  outputs.push(outcome.out, outcome.err);
  return outcome;
}

/** The arguments of every process of this machine, which anybody may read. */
function watchArguments(): void {
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      arguments_.add(readFileSync(`/proc/${pid}/cmdline`, "latin1"));
    } catch {
      // It has ended.
    }
  }
}

const up = (...flags: readonly string[]) => run("up", "--yes", "--skip-preview", ...flags);

test("up onboards merchants on it, and a second one changes nothing", async () => {
  const { status, out, err } = await up("--diff");
  expect(status, err + out).toBe(0);
  expect((await up("--expect-no-changes")).status).toBe(0);
  expect((await run("preview", "--refresh", "--expect-no-changes")).status).toBe(0);
});

test("after a rotation up goes on, and changes the provider's password alone", async () => {
  await (
    await world.rotate(world.tls.own.server.admin, SECRET)
  )();
  const { status, out, err } = await up("--diff");
  expect(status, err + out).toBe(0);
  expect(out).toMatch(/~ 1 updated/);
  expect((await run("preview", "--refresh", "--expect-no-changes")).status).toBe(0);
});

test("that it waits for a reboot shows in a refresh, with the command; up leaves it alone and says the same", async () => {
  world.api.waiting.add("old-1");
  const command = "aws rds reboot-db-instance --region eu-central-1 --db-instance-identifier old-1";
  const look = await run("preview", "--refresh", "--diff", "--json");
  expect(look.out).toContain(command);
  const { status, out, err } = await up("--refresh");
  expect(status).toBe(1);
  expect(out + err).toContain(command);
  expect(world.api.reboots).toEqual([]);
  world.api.waiting.delete("old-1");
  expect((await up("--refresh")).status).toBe(0);
});

test("with rebootWhenPending: now up reboots it, and goes on", async () => {
  world.api.waiting.add("old-1");
  declare({ rebootWhenPending: "now" });
  const { status, out, err } = await up("--refresh");
  expect(status, err + out).toBe(0);
  expect(world.api.reboots).toEqual(["old-1"]);
});

/** Logs in as a merchant's application, with what its secret says; remembers that password as one that may not show. */
async function logIn(merchant: string): Promise<void> {
  const { username, password } = await testSecret(REGION, `merchant-jobs/old-1/${merchant}/app`).fields();
  world.mayNotShow(password);
  const login = { user: String(username), password };
  await (await connectAs(login, `merchant_${merchant}`, world.tls.own.server)).end();
}

test("with appLogin: secret an up that is killed between a secret and its password is finished by the next", async () => {
  declare({ appLogin: "secret" });
  const secret = testSecret(REGION, APP_SECRET);
  const holder = await superuserClient("postgres", world.tls.own.server);
  // Holds the role's row, which the change of its password waits for.
  await holder.query("begin");
  await holder.query("alter role merchant_acme_app connection limit -1");
  const isThere = () => waitFor(() => secret.describe(), { what: "the secret to be there", timeoutMs: 120_000 });
  expect(await killWhen(project, isThere)).toBe(true);
  await holder.query("rollback");
  await holder.end();
  await expect(logIn("acme")).rejects.toMatchObject({ code: "28P01" });
  const { password } = await secret.fields();
  expect((await recover(project)).status).toBe(0);
  const { status, out, err } = await up("--diff");
  expect(status, err + out).toBe(0);
  expect(unaligned(out)).toContain(`name: "${APP_SECRET}"`);
  expect(await secret.fields()).toMatchObject({ password, dbname: "merchant_acme" });
  await logIn("acme");
  await logIn("bluebird");
  expect((await run("preview", "--refresh", "--expect-no-changes")).status).toBe(0);
});

test("that a secret is gone, or refused, shows in a refresh, and up --refresh heals it", async () => {
  await world.tls.sql("postgres", "alter role merchant_acme_app password 'of somebody'");
  await testSecret(REGION, "merchant-jobs/old-1/bluebird/app").delete("later");
  const look = await run("preview", "--refresh", "--diff");
  expect(look.out, look.err).toContain(`+ secret ${APP_SECRET}: "its password is refused by the server"`);
  expect(look.out).toContain('+ secret merchant-jobs/old-1/bluebird/app: "scheduled for deletion"');
  const { status, out, err } = await up("--refresh");
  expect(status, err + out).toBe(0);
  await logIn("acme");
  await logIn("bluebird");
  expect((await run("preview", "--refresh", "--expect-no-changes")).status).toBe(0);
});

test("a merchant that leaves takes its secret with it, which can be restored for a while; the others keep theirs", async () => {
  const leaving = { export: "exports" };
  declare({ appLogin: "secret" }, { ...merchants, bluebird: { offboard: leaving } });
  const exported = await up();
  expect(exported.status, exported.err + exported.out).toBe(0);
  await logIn("bluebird");
  declare(
    { appLogin: "secret" },
    { ...merchants, bluebird: { offboard: { ...leaving, drop: true, confirm: "bluebird" } } },
  );
  const dropped = await up();
  expect(dropped.status, dropped.err + dropped.out).toBe(0);
  expect(await testSecret(REGION, "merchant-jobs/old-1/bluebird/app").describe()).toMatchObject({ leaving: true });
  declare({ appLogin: "secret" }, { acme: {} });
  expect((await up()).status).toBe(0);
  await logIn("acme");
});

test("without appLogin: secret the secret goes, and the role keeps its password", async () => {
  const { username, password } = await testSecret(REGION, APP_SECRET).fields();
  declare({}, { acme: {} });
  const { status, out, err } = await up("--diff");
  expect(status, err + out).toBe(0);
  expect(await testSecret(REGION, APP_SECRET).describe()).toMatchObject({ leaving: true });
  await (await connectAs({ user: String(username), password }, "merchant_acme", world.tls.own.server)).end();
  expect((await run("preview", "--refresh", "--expect-no-changes")).status).toBe(0);
});

test("no password was in any output, file or list of processes", async () => {
  await run("stack", "export");
  const files = readdirSync(project.folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .filter((file) => !file.includes("node_modules"));
  expect(files.some((file) => file.endsWith("test.json"))).toBe(true);
  expect([...arguments_].some((text) => text.includes("cmd/run"))).toBe(true);
  for (const secret of world.passwords) {
    expect(files.filter((file) => readFileSync(file, "latin1").includes(secret))).toEqual([]);
    expect(outputs.filter((text) => text.includes(secret))).toEqual([]);
    expect([...arguments_].filter((text) => text.includes(secret))).toEqual([]);
  }
});
