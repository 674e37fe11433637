import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { notesOn } from "../../../spec/aws/fits.ts";
import { CONFIG_KEYS, NAMESPACE } from "../../../spec/names.ts";
import { parseStack } from "../../../spec/stack.ts";

interface YamlFile {
  readonly name?: string;
  readonly config: Readonly<Record<string, unknown>>;
}

const read = (name: string) => parse(readFileSync(new URL(`../../../${name}`, import.meta.url), "utf8")) as YamlFile;

function parseFile(name: string) {
  const { config } = read(name);
  const at = (key: string) => config[`${NAMESPACE}:${key}`];
  return parseStack({ cells: at("cells"), merchants: at("merchants"), jobs: at("jobs"), rollout: at("rollout") });
}

describe("the project file", () => {
  const project = read("Pulumi.yaml");

  test("has the name that is the namespace of the configuration", () => {
    expect(project.name).toBe(NAMESPACE);
  });

  test("declares each configuration key with its type and a description", () => {
    expect(Object.keys(project.config)).toEqual(CONFIG_KEYS.map((key) => `${NAMESPACE}:${key}`));
    const declared = { type: "object", description: expect.any(String) as string };
    const optional = { ...declared, default: {} };
    expect(Object.values(project.config)).toEqual([declared, declared, optional, optional]);
  });
});

describe("the stack files", () => {
  test("dev has three merchants: a plain one, one with a schedule of its own, a suspended one", () => {
    const { cells, merchants } = parseFile("Pulumi.dev.yaml");
    expect(cells).toEqual({ home: { name: "home", kind: "local", scheduler: "pg_cron" } });
    const told = merchants.map(({ id, suspended, jobs }) => [id, suspended, jobs["lot_expiry"]?.schedule]);
    expect(told).toEqual([
      ["acme", false, "0 2 * * *"],
      ["bluebird", false, "30 2 * * *"],
      ["coral", true, "0 2 * * *"],
    ]);
  });

  test("runner is dev where there is no pg_cron", () => {
    const { cells, merchants } = parseFile("Pulumi.runner.yaml");
    expect(cells).toEqual({ home: { name: "home", kind: "local", scheduler: "runner" } });
    expect(merchants).toEqual(parseFile("Pulumi.dev.yaml").merchants);
  });

  test("prod has two cells that merchants share and one that a merchant has for itself, and names the key of its secrets", () => {
    const { cells, merchants, waves } = parseFile("Pulumi.prod.yaml");
    expect(Object.values(cells).map(({ name, kind }) => [name, kind])).toEqual([
      ["eu-1", "rds"],
      ["eu-2", "rds"],
      ["big-1", "rds"],
    ]);
    const inCells = Object.groupBy(merchants, ({ cell }) => cell);
    expect(Object.entries(inCells).map(([cell, of]) => [cell, of?.map(({ id }) => id)])).toEqual([
      ["eu-1", ["acme", "bluebird"]],
      ["eu-2", ["coral", "dahlia"]],
      ["big-1", ["titan"]],
    ]);
    expect(waves?.[0]).toEqual(["acme"]);
    expect(
      Object.values(cells).flatMap((cell) => notesOn(cell, merchants).filter(({ level }) => level === "warning")),
    ).toEqual([]);
    expect(read("Pulumi.prod.yaml")).toMatchObject({
      secretsprovider: expect.stringMatching(/^awskms:\/\//) as string,
    });
  });
});
