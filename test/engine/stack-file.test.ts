// What is said of a stack file that cannot be used, and of a passphrase that is not there.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { findProject } from "../../local/engine/project.ts";
import { readPassphrase } from "../../local/engine/secrets.ts";
import { readStackFile, resolveConfig } from "../../local/engine/stack-config.ts";

const PROJECT = `name: shop
runtime: nodejs
config:
  shop:cells: { type: object }
  shop:merchants: { type: object }
`;

function newFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), "merchant jobs "));
  onTestFinished(() => {
    rmSync(folder, { recursive: true });
  });
  writeFileSync(path.join(folder, "Pulumi.yaml"), PROJECT);
  return folder;
}

test.each([
  [
    undefined,
    "Pulumi.dev.yaml is not there; write it, or name another stack by --stack: shop:cells is missing; shop:merchants is missing",
  ],
  [
    "",
    "Pulumi.dev.yaml: shop:cells is missing; write it under config:; shop:merchants is missing; write it under config:",
  ],
  [
    "config: { shop:cells: {} }\nshop:merchants: {}",
    "Pulumi.dev.yaml: shop:merchants stands beside config: and not under it; move it there, two blanks to the right",
  ],
  [
    "config: { shop:cells: {}, shop:merchants: [acme] }",
    "Pulumi.dev.yaml: shop:merchants must be of type object, as Pulumi.yaml declares it; write it as a map, and {} for an empty one",
  ],
  [
    "config:\n  shop:merchants:\n    acme: {}\n    acme: {}\n",
    "Pulumi.dev.yaml is not YAML: a key stands there twice, so make one of the two: Map keys must be unique at line 4",
  ],
])("a stack file %j is told what is wrong with it", (text, said) => {
  const folder = newFolder();
  if (text !== undefined) writeFileSync(path.join(folder, "Pulumi.dev.yaml"), text);
  const project = findProject(folder);
  expect(() => resolveConfig(project, readStackFile(project, "dev"), undefined)).toThrow(`${folder}/${said}`);
});

test("a new stack gets a key, and one that has secrets is told that its key is not there, and gets no other", () => {
  const folder = newFolder();
  const file = path.join(folder, ".local", "passphrase");
  expect(() => readPassphrase({}, folder, "v1:c2FsdA==:proof")).toThrow(`or put back ${file}`);
  expect(existsSync(file)).toBe(false);
  const key = readPassphrase({}, folder, undefined);
  expect(key.length).toBeGreaterThan(20);
  expect(readPassphrase({}, folder, "v1:c2FsdA==:proof")).toBe(key);
});
