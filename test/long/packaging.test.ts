// The image of the runner and the start of compose.yaml's server, made by hand where there is no Docker.
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import { findInstallations } from "../../local/postgres/installation.ts";
import type { RunningServer } from "../../local/postgres.ts";
import { RUNNER_ROLE } from "../../runner/config.ts";
import { prepareCell, testCell } from "../merchants.ts";
import { copiesOf, instruction, readDockerfile, wordsOf } from "../runner/dockerfile.ts";
import { letRunnerIn, runnerConfig, startRunner } from "../runner/kit.ts";
import { connectAs, type OwnServer, startOwnServer, superuserClient, waitFor, withOwnServer } from "../server.ts";

const repository = path.join(import.meta.dirname, "..", "..");
const folder = mkdtempSync(path.join(tmpdir(), "runner image "));
let own: OwnServer;

beforeAll(async () => {
  own = await startOwnServer({ settings: {} });
  await prepareCell(testCell(own.server));
  await letRunnerIn(own.server);
});
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await own.remove();
});

test("the image's files alone are a runner that answers, with the versions of the lock file and without Pulumi", async () => {
  const [packages = [], image = []] = readDockerfile();
  for (const { from, to } of [...copiesOf(packages), ...copiesOf(image)]) {
    cpSync(path.join(repository, from), path.join(folder, to), { recursive: true });
  }
  const built = spawnSync("sh", ["-c", instruction(packages, "RUN").rest], { cwd: folder, encoding: "utf8" });
  expect(built.status, built.stderr).toBe(0);
  const versions = (of: string, file: string) =>
    Object.entries((JSON.parse(readFileSync(path.join(of, file), "utf8")) as Lock).packages).map(
      ([name, { version }]) => [name, version] as const,
    );
  const locked = new Map(versions(repository, "package-lock.json"));
  const installed = versions(folder, "node_modules/.package-lock.json");
  expect(installed.length).toBeGreaterThan(30);
  expect(installed.filter(([name, version]) => locked.get(name) !== version)).toEqual([]);
  expect(installed.filter(([name]) => /pulumi|grpc|typescript|vitest/.test(name))).toEqual([]);

  const runner = startRunner(runnerConfig(own.server), { folder });
  try {
    const url = await runner.url();
    await waitFor(async () => (await fetch(`${url}/health`)).status === 200, { what: "it is well" });
    const [program, ...words] = wordsOf(instruction(image, "HEALTHCHECK"));
    const check = () =>
      spawnSync(
        program,
        words.map((word) => word.replace("127.0.0.1:9187", new URL(url).host)),
      ).status;
    expect(check()).toBe(0);
    runner.child.kill("SIGTERM");
    expect(await runner.ended, runner.output()).toBe(0);
    expect(check()).toBe(1);
  } finally {
    runner.child.kill("SIGKILL");
  }
});

interface Lock {
  readonly packages: Readonly<Record<string, { readonly version?: string }>>;
}

/** Runs what compose.yaml runs in a new database, but for `create extension pg_cron`, as the image's entry point does. */
async function runSetUp({ host, port, superuser }: RunningServer): Promise<void> {
  const { configs } = parse(readFileSync(path.join(repository, "compose.yaml"), "utf8")) as {
    readonly configs: Readonly<Record<string, { readonly content?: string; readonly file?: string }>>;
  };
  const secrets = path.join(folder, "secrets");
  mkdirSync(secrets, { recursive: true });
  for (const [secret, password] of [
    ["admin_password", PASSWORDS.platform_admin],
    ["runner_password", PASSWORDS[RUNNER_ROLE]],
  ] as const) {
    writeFileSync(path.join(secrets, secret), password);
  }
  const script = path.join(folder, "passwords.sql");
  // Backquotes of psql are a shell's: a folder with a blank in it is quoted.
  writeFileSync(script, (configs["passwords"]?.content ?? "").replace(/\/run\/secrets(\/\w+)/g, `"${secrets}$1"`));
  const [newest] = (await findInstallations()).withCron;
  for (const file of [path.join(repository, configs["administrator"]!.file!), script]) {
    const words = ["-v", "ON_ERROR_STOP=1", "--no-psqlrc", "--dbname", "cron", "--file", file];
    const run = spawnSync(path.join(newest!.binFolder, "psql"), words, {
      env: {
        PGHOST: host,
        PGPORT: String(port),
        PGUSER: superuser.user,
        PGPASSWORD: superuser.password,
        PATH: "/usr/bin:/bin",
      },
      encoding: "utf8",
    });
    expect([run.status, run.stderr.replace(/^.*NOTICE.*\n/gm, "")]).toEqual([0, ""]);
  }
}

const PASSWORDS = { platform_admin: "it's the admin's", [RUNNER_ROLE]: "it's the runner's" } as const;

async function expectPasswords(server: RunningServer): Promise<void> {
  for (const [user, password] of Object.entries(PASSWORDS)) {
    await (await connectAs({ user, password }, "cron", server)).end();
  }
}

test("what compose.yaml runs in a new database gives the two roles their passwords, which no statistic keeps", async () => {
  const client = await superuserClient("cron", own.server);
  try {
    await client.query("create extension if not exists pg_stat_statements");
    await client.query("select pg_stat_statements_reset()");
    await runSetUp(own.server);
    await expectPasswords(own.server);
    const { rows } = await client.query<{ query: string }>("select query from pg_stat_statements");
    const kept = rows.map(({ query }) => query);
    // What is tracked at all is what was run beside the passwords.
    expect(kept.filter((query) => query.includes("create role") || query.includes("v_admin"))).not.toEqual([]);
    expect(kept.filter((query) => query.includes("'s the ") || /alter role \w+ password/i.test(query))).toEqual([]);
  } finally {
    await client.end();
  }
});

test("it does so too where pg_stat_statements is not loaded", async () => {
  await withOwnServer({ settings: { shared_preload_libraries: "pg_cron" } }, async (server) => {
    const client = await superuserClient("cron", server);
    const { rows } = await client.query("show shared_preload_libraries");
    await client.end();
    expect(rows).toEqual([{ shared_preload_libraries: "pg_cron" }]);
    await runSetUp(server);
    await expectPasswords(server);
  });
});
