// An instance of RDS that exists, taken over by the whole program: AWS is a stand-in (moto), PostgreSQL is real and speaks TLS,
// its administrator's password is in a secret, and changes in the middle of all.
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { REGION } from "../aws/rds-api.ts";
import { startWorld, type World } from "../aws/world.ts";
import { makeProject, type Outcome, type Project } from "../project.ts";

const SECRET = "merchants/administrator";
const merchants = { acme: {} };
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
  const adopted = { kind: "adopted", region: REGION, identifier: "old-1", caFile: world.tls.authority.caFile };
  project.setMerchants(merchants, { cell: { ...adopted, tls: undefined, credential: { secret: SECRET } } });
});
afterAll(async () => {
  project.remove();
  await world.stop();
});

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

test("up onboards a merchant on it, and a second one changes nothing", async () => {
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
  const { caFile } = world.tls.authority;
  const adopted = { kind: "adopted", region: REGION, identifier: "old-1", caFile, rebootWhenPending: "now" };
  project.setMerchants(merchants, { cell: { ...adopted, tls: undefined, credential: { secret: SECRET } } });
  const { status, out, err } = await up("--refresh");
  expect(status, err + out).toBe(0);
  expect(world.api.reboots).toEqual(["old-1"]);
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
