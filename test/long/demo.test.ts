// npm run demo on a machine without pg_cron: a PostgreSQL from npm, and the runner in pg_cron's place.
import { spawn } from "node:child_process";
import { cp, mkdtemp, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { removeServer } from "../../local/postgres.ts";

const repository = path.join(import.meta.dirname, "..", "..");
const PARTS = ["spec", "converge", "components", "local", "runner", "sql", "index.ts", "config.ts", "package.json"];
const STACKS = ["Pulumi.yaml", "Pulumi.dev.yaml", "Pulumi.runner.yaml"];
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "merchant jobs "));
  for (const part of [...PARTS, ...STACKS]) {
    await cp(path.join(repository, part), path.join(folder, part), { recursive: true });
  }
  await symlink(path.join(repository, "node_modules"), path.join(folder, "node_modules"));
});
afterAll(async () => {
  await removeServer(path.join(folder, ".local"));
  await rm(folder, { recursive: true, force: true });
});

interface Ended {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

async function run(program: string, ...args: readonly string[]): Promise<Ended> {
  return await new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [path.join(folder, "local", program), ...args], {
      cwd: folder,
      env: { ...process.env, NO_COLOR: "1" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let out = "";
    let err = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
    child.on("error", reject).on("close", (status) => {
      resolve({ status, out, err });
    });
  });
}

const JOBS = ["history_cleanup", "idempotency_cleanup", "lot_expiry", "ops_cleanup"];

test("the demo shows its five steps, and done again it changes nothing", { timeout: 300_000 }, async () => {
  const first = await run("demo.ts", "--embedded");
  expect(first, first.out).toMatchObject({ status: 0, err: "" });
  for (const step of ["1/5", "2/5", "3/5", "4/5", "5/5"]) expect(first.out).toContain(`[${step}] `);
  expect(first.out).toMatch(/PostgreSQL \d+\.\d+ without pg_cron on 127\.0\.0\.1:\d+/);
  expect(first.out).toContain("the runner starts the jobs in place of pg_cron");
  expect(first.out).toContain("the runner says: All 8 jobs of 2 merchants ran on time; 1 merchant is suspended.");
  for (const merchant of ["acme", "bluebird"]) {
    for (const job of JOBS) expect(first.out).toMatch(new RegExp(`^ *${merchant} +${job} +runner +succeeded `, "m"));
  }
  expect(first.out).toMatch(/^ *coral:lot_expiry .* no$/m);
  expect(first.out).not.toMatch(/^ *coral +lot_expiry/m);

  const second = await run("demo.ts");
  expect(second, second.out).toMatchObject({ status: 0, err: "" });
  expect(second.out).toContain("every job has run already");
  expect(second.out).toMatch(/^ +\d+ unchanged$/m);
  expect(second.out).not.toMatch(/^ +[+~-] \d+ (?:created|updated|deleted)/m);
  const rows = (text: string) => text.slice(text.indexOf("The jobs (app.jobs"), text.indexOf("To go on:"));
  expect(rows(second.out)).toBe(rows(first.out));

  const password = (await readFile(path.join(folder, ".local", "runner.password"), "utf8")).trim();
  expect((await stat(path.join(folder, ".local", "runner.password"))).mode & 0o777).toBe(0o600);
  expect(first.out + second.out).not.toContain(password);
  await writeFile(path.join(folder, "Pulumi.runner.yaml"), "config: [");
  const broken = await run("demo.ts");
  expect(broken).toMatchObject({ status: 1, err: expect.stringContaining("Pulumi.runner.yaml is not YAML") as string });
  expect(broken.err).not.toContain("    at ");
  const stopped = await run("server.ts", "stop");
  expect(stopped.status).toBe(0);
});

test("words that mean nothing are answered with what there is", async () => {
  expect(await run("demo.ts", "--embeded")).toMatchObject({ status: 2, out: "" });
});
