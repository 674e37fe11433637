// `npm run drift` on the engine that the tests are run with: two cells, one of which stops answering.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse, stringify } from "yaml";
import { type RunningServer, stopServer } from "../../local/postgres.ts";
import { makeProject, type Outcome, type Project } from "../project.ts";
import { dropMerchantLeftovers, freshName, type OwnServer, startOwnServer, superuserClient } from "../server.ts";

const prefix = freshName("drift");
const [near, far] = [`${prefix}_near`, `${prefix}_far`];
let project: Project;
let away: OwnServer;

beforeAll(async () => {
  away = await startOwnServer({ settings: {} });
  project = await makeProject({ merchants: { [near]: { cell: "home" }, [far]: { cell: "away-1" } } });
  const file = path.join(project.folder, "Pulumi.test.yaml");
  const settings = parse(readFileSync(file, "utf8")) as { config: { "merchant-jobs:cells": Record<string, object> } };
  const cells = settings.config["merchant-jobs:cells"];
  const { port, admin, password } = away.server;
  cells["away-1"] = { ...cells["home"], port, admin, credential: { env: "AWAY_PASSWORD" } };
  project.env["AWAY_PASSWORD"] = password;
  writeFileSync(file, stringify(settings));
  const { status, out, err } = await project.pulumi("up", "--yes", "--skip-preview");
  expect(status, err + out).toBe(0);
});
afterAll(async () => {
  project.remove();
  await away.remove();
  await dropMerchantLeftovers(`merchant_${prefix}`);
});

interface Written {
  readonly status: string;
  readonly drift: readonly Readonly<Record<string, unknown>>[];
  readonly unseen: readonly { readonly cell: string; readonly kind: string; readonly reason: string }[];
  readonly errors: readonly string[];
}

/** Runs the command in the project's folder; gives also what it wrote. */
async function drift(): Promise<Outcome & { readonly json: Written; readonly markdown: string }> {
  const engine = process.env["ENGINE"] === "pulumi" ? "pulumi" : "local";
  const entry = path.join(import.meta.dirname, "../../report/drift.ts");
  const child = spawn(process.execPath, [entry, "--stack", "test", "--engine", engine], {
    cwd: project.folder,
    env: project.env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [out, err] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
  const [status] = (await once(child, "close")) as [number];
  const read = (name: string) => readFileSync(path.join(project.folder, name), "utf8");
  return { status, out, err, json: JSON.parse(read("drift.json")) as Written, markdown: read("drift.md") };
}

async function spoil(database: string, sql: string, on?: RunningServer): Promise<void> {
  const client = await superuserClient(database, on);
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

test("drift is exit status 2, declared => found, the worst first", async () => {
  await spoil("cron", `update cron.job set schedule = '5 3 * * *' where jobname = '${near}:lot_expiry'`);
  await spoil("cron", `delete from cron.job where jobname = '${near}:ops_cleanup'`);
  await spoil("postgres", `alter database merchant_${far} connection limit 7`, away.server);
  await spoil("postgres", `alter role merchant_${near}_app createdb`);
  const { status, out, err, json, markdown } = await drift();
  expect(status, err + out).toBe(2);
  expect(json.drift).toMatchObject([
    { severity: "ledger", owner: { kind: "merchant", name: near }, kind: "Access", declared: null },
    { severity: "schedule", object: "job lot_expiry", property: "schedule", declared: "0 2 * * *", found: "5 3 * * *" },
    { severity: "schedule", object: "job ops_cleanup", property: "", found: null },
    { severity: "attribute", owner: { kind: "merchant", name: far }, declared: "50", found: "7", pending: false },
  ]);
  expect(json.status).toBe("drift");
  expect(out).toMatch(/job lot_expiry schedule +0 2 \* \* \* +5 3 \* \* \*/);
  expect(markdown).toContain("| `job lot_expiry schedule` | `0 2 * * *` | `5 3 * * *` |");
});

test("a cell that does not answer could not be looked at, and the drift of the other is shown the right way round", async () => {
  await stopServer(away.folder);
  const { status, out, err, json, markdown } = await drift();
  expect(status, err + out).toBe(1);
  expect(json.status).toBe("could not look");
  expect(json.drift).toMatchObject([
    { severity: "ledger", owner: { kind: "merchant", name: near }, kind: "Access" },
    { severity: "schedule", object: "job lot_expiry", property: "schedule", declared: "0 2 * * *", found: "5 3 * * *" },
    { severity: "schedule", object: "job ops_cleanup", property: "", found: null },
  ]);
  // The cell's own two, and the merchant's Role, Access, Database, Migrations and Crontab.
  expect(json.unseen.map(({ cell, kind }) => `${cell} ${kind}`).sort()).toEqual(
    ["Access", "CellProbe", "Crontab", "Database", "Migrations", "Migrations", "Role"].map((kind) => `away-1 ${kind}`),
  );
  for (const { reason } of json.unseen) {
    expect(reason).toContain(`127.0.0.1:${away.server.port}`);
    expect(reason).not.toMatch(/\n|^\s*at |node_modules/);
  }
  expect(json.errors).toEqual([]);
  expect(out).toMatch(/- cell away-1, 7 resources of \S+_far: .*ECONNREFUSED/);
  expect(out + err).not.toMatch(/^\s+at /m);
  expect(markdown).toContain("- **cell away-1**, 7 resources");
});
