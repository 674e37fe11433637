import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { assertSameFiles, hashesOf, readSqlFiles } from "../../../converge/sql-files.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), "sql files "));
});
afterEach(() => {
  rmSync(root, { recursive: true });
});

function write(name: string, text = "select 1;\n"): void {
  mkdirSync(path.dirname(path.join(root, "merchant", name)), { recursive: true });
  writeFileSync(path.join(root, "merchant", name), text);
}

test("files come as migrations by number over all folders, routines by name, then rights from the outside in", () => {
  for (const name of [
    "a/migrations/010_b.sql",
    "b/migrations/002_a.sql",
    "b/routines/x.sql",
    "a/routines/y.sql",
    "a/access.sql",
    "access.sql",
  ]) {
    write(name);
  }
  expect(readSqlFiles(root, "merchant").map(({ name }) => name)).toEqual([
    "b/migrations/002_a.sql",
    "a/migrations/010_b.sql",
    "a/routines/y.sql",
    "b/routines/x.sql",
    "access.sql",
    "a/access.sql",
  ]);
});

test("bad names, numbers that stand twice and empty files are refused together", () => {
  write("a/migrations/001_a.sql");
  write("b/migrations/001_b.sql");
  write("a/migrations/Add.sql");
  write("loose.sql");
  write("a/routines/empty.sql", " \n");
  expect(() => readSqlFiles(root, "merchant")).toThrowErrorMatchingInlineSnapshot(`
    [ConvergeError: the SQL files in sql/merchant cannot be used:
    - a/migrations/Add.sql: a migration is named NNN_verb_object.sql, in lower case; rename it
    - a/routines/empty.sql: the file is empty; write it or remove it
    - b/migrations/001_b.sql: a/migrations/001_a.sql has the same number; give the newer one a higher one
    - loose.sql: a SQL file is in a folder migrations/ or routines/, or is called access.sql; move it]
  `);
});

test("a file that is not the one that was planned with is refused by name", () => {
  write("a/migrations/001_a.sql");
  write("a/routines/x.sql");
  const files = readSqlFiles(root, "merchant");
  const { migrations, routines } = hashesOf(files);
  expect(() => {
    assertSameFiles(files, { ...migrations, ...routines });
  }).not.toThrow();
  expect(() => {
    assertSameFiles(files, { ...migrations, "a/migrations/002_gone.sql": "x", a: "other" });
  }).toThrow("a, a/migrations/002_gone.sql changed after the plan was made");
});
