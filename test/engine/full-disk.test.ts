import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";

import { EngineError } from "../../local/engine/errors.ts";
import { Journal, readJournal } from "../../local/engine/journal.ts";

const engine = path.join(import.meta.dirname, "..", "..", "local", "engine");
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "engine disk "));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** Runs code of the engine in a process whose files can have 8 kB: like a full disk, a write takes what fits and says how much. */
function whereFilesAreSmall(file: string, code: string) {
  const module = pathToFileURL(path.join(engine, file)).href;
  const script = `const engine = await import(${JSON.stringify(module)}); ${code}`;
  const words = [
    "-c",
    `trap '' XFSZ; ulimit -f 8; exec "$@"`,
    "bash",
    process.execPath,
    "--input-type=module",
    "-e",
    script,
  ];
  return spawnSync("bash", words, { encoding: "utf8", cwd: folder });
}

test("a state that does not fit on the disk leaves the one that is there, and the run fails", () => {
  const file = path.join(folder, "dev.json");
  writeFileSync(file, "the state before");
  const { status, stderr } = whereFilesAreSmall(
    "state-file.ts",
    `engine.writeDurably("dev.json", "x".repeat(100_000));`,
  );
  expect(status).not.toBe(0);
  expect(stderr).toContain("EFBIG");
  expect(readFileSync(file, "utf8")).toBe("the state before");
});

test("a line of the journal that does not fit is an error before its operation begins, and the lines before it are read", () => {
  const { status, stdout } = whereFilesAreSmall(
    "journal.ts",
    `const journal = new engine.Journal("dev.journal", "base");
     const add = (length) => journal.add(JSON.stringify({ salt: "x".repeat(length) }));
     await add(1);
     console.log(await add(100_000).catch((error) => error.code), await add(2).catch((error) => error.code));`,
  );
  expect([status, stdout]).toEqual([0, "EFBIG EFBIG\n"]);
  expect(readJournal(path.join(folder, "dev.journal"), "base")).toEqual([{ salt: "x" }]);
});

test("a journal begins anew after the state was written, is read without what a crash has torn, and not for another state", async () => {
  const file = path.join(folder, "dev.journal");
  const journal = new Journal(file, "first");
  await journal.add(JSON.stringify({ salt: "one" }));
  journal.restart("second");
  await journal.add(JSON.stringify({ salt: "two" }));
  writeFileSync(file, `${readFileSync(file, "utf8")}{"salt":"thr`);
  expect(readJournal(file, "second")).toEqual([{ salt: "two" }]);
  expect(readJournal(file, "first")).toEqual([]);
});

test("a journal that was damaged in its middle is named, with the way out", () => {
  const file = path.join(folder, "dev.journal");
  writeFileSync(file, `{"base":"one"}\n{"salt":"thr\n{"salt":"four"}\n`);
  expect(() => readJournal(file, "one")).toThrow(EngineError);
  expect(() => readJournal(file, "one")).toThrow(/dev\.journal is damaged.*npm run recover/);
});
