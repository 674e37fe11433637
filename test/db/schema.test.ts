// test/schema.sql is what a merchant's database is made of, as pg_dump shows it: a change of the SQL files shows there,
// in a pull request, as what it does to the database.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { installationRoot } from "../../local/postgres/installation.ts";
import type { MerchantSpec } from "../../spec/merchants.ts";
import { onboard, prepareCell, specOf } from "../merchants.ts";
import { dropMerchantLeftovers, testServer } from "../server.ts";

const file = path.join(import.meta.dirname, "..", "schema.sql");
/** The major version whose pg_dump wrote the file. */
const WRITTEN_BY = "15";
let spec: MerchantSpec;

beforeAll(async () => {
  await prepareCell();
  // A name that is always the same: roles are in the dump.
  spec = specOf("schema", { suspended: true });
  await onboard(spec);
});
afterAll(async () => {
  await dropMerchantLeftovers(`merchant_schema`);
});

function dump(): string {
  const { host, port, superuser, postgresVersion } = testServer();
  const program = path.join(installationRoot, postgresVersion.split(".")[0] ?? "", "bin", "pg_dump");
  const to = ["--host", host, "--port", String(port), "--username", superuser.user, spec.database];
  return execFileSync(program, ["--schema-only", ...to], {
    env: { ...process.env, PGPASSWORD: superuser.password },
    encoding: "utf8",
    maxBuffer: 2 ** 26,
  });
}

/** Without what differs from one run or minor version to the next: comments, settings, random keys, blank lines. */
function normalised(text: string): string {
  return text
    .split("\n")
    .filter((line) => !/^(--|SET |SELECT pg_catalog\.set_config|\\(un)?restrict )/.test(line))
    .join("\n")
    .replace(/\n{3,}/g, "\n\n")
    .trim();
}

/** Major versions print the queries of views in different ways; the functions are printed as they were written. */
function withoutViews(text: string): string {
  return text.replace(/^(CREATE VIEW \S+) AS\n[^;]*;$/gm, "$1;");
}

test("a converged merchant's database is what test/schema.sql says", () => {
  const found = normalised(dump());
  expect(found).toContain("CREATE TABLE app.job_runs");
  if (process.env["UPDATE_SCHEMA"] === "1") writeFileSync(file, `${found}\n`);
  const expected = readFileSync(file, "utf8").trim();
  const same = testServer().postgresVersion.startsWith(`${WRITTEN_BY}.`) ? (text: string) => text : withoutViews;
  expect(same(found), "to write it anew: UPDATE_SCHEMA=1 npx vitest run --project db test/db/schema.test.ts").toBe(
    same(expected),
  );
});
