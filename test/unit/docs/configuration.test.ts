// docs/configuration.md and Pulumi.yaml say what the parser reads, no more and no less.
import { readFileSync } from "node:fs";
import { format } from "prettier";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { CELL_KINDS, fillConfigurationPage, TABLES } from "../../../docs/make/configuration.ts";
import { SERVER_FIELDS } from "../../../spec/cells.ts";
import { made } from "../spec/aws/cells.ts";
import { BATCH_CHANGES } from "../../../spec/job-changes.ts";
import { MERCHANT_FIELDS } from "../../../spec/merchants.ts";
import { CONFIG_KEYS } from "../../../spec/names.ts";
import { ROLLOUT_FIELDS } from "../../../spec/rollout.ts";
import { parseStack } from "../../../spec/stack.ts";
import { textOf } from "../../docs.ts";

const page = textOf("docs/configuration.md");

test("the tables of the page are those that npm run docs makes", async () => {
  expect(page).toBe(await format(fillConfigurationPage(page), { parser: "markdown", printWidth: 120 }));
});

test("each kind of cell has a table", () => {
  const tables = Object.keys(TABLES).filter((name) => name.startsWith("cells"));
  expect(tables).toEqual(CELL_KINDS.map((kind) => `cells of kind ${kind}`));
});

test("the page has each key of the stack file", () => {
  for (const key of CONFIG_KEYS) expect(page).toMatch(new RegExp(`^\\| \`merchant-jobs:${key}\` `, "m"));
});

test.each([
  ["cells of kind local", { kind: "local" }],
  ["cells of kind server", { kind: "server", host: "db.example.com", admin: "a", credential: { env: "A" } }],
  ["cells of kind rds", made],
  ["cells of kind adopted", { kind: "adopted", region: "eu-central-1", identifier: "one", host: "a.example.com" }],
])("each default of %s that is a value is what the parser fills in", (table, cell) => {
  const { cells } = parseStack({ cells: { home: cell }, merchants: {} });
  expectDefaults(table, { suspended: false, allowMajorVersionUpgrade: false, ...cells["home"] });
});

test("each default of a merchant that is a value is what the parser fills in", () => {
  const { merchants } = parseStack({ cells: { home: { kind: "local" } }, merchants: { acme: {} } });
  expectDefaults("merchants", { ...merchants[0] });
});

function expectDefaults(table: string, parsed: Readonly<Record<string, unknown>>): void {
  const rows = [...(TABLES[table] ?? "").matchAll(/^\| `(\w+)` .*\| `([^`<]+)` \|$/gm)];
  expect(rows.length).toBeGreaterThan(1);
  const values = rows.map(([, key = "", value = ""]) => [key, value] as const);
  expect(Object.fromEntries(values)).toEqual(
    Object.fromEntries(values.map(([key]) => [key, String(parsed[key])] as const)),
  );
}

test("Pulumi.yaml names each key of a server, a merchant, a job and the rollout", () => {
  const { config } = parse(readFileSync(new URL("../../../Pulumi.yaml", import.meta.url), "utf8")) as {
    readonly config: Readonly<Record<string, { readonly description: string }>>;
  };
  for (const [key, fields] of Object.entries({
    cells: SERVER_FIELDS,
    merchants: MERCHANT_FIELDS,
    jobs: BATCH_CHANGES,
    rollout: ROLLOUT_FIELDS,
  })) {
    const description = config[`merchant-jobs:${key}`]?.description ?? "";
    for (const field of Object.keys(fields)) expect(description).toMatch(new RegExp(`\\b${field}\\b`));
    if (key === "cells") for (const kind of CELL_KINDS) expect(description).toContain(`{kind: ${kind}}`);
    expect(description).toContain("docs/configuration.md");
  }
});
