import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { assertDead, type Lock, readLocks } from "../../../local/recover/locks.ts";
import { removeHalfWritten, repairState } from "../../../local/recover/state-files.ts";

function folder(): string {
  const made = mkdtempSync(path.join(tmpdir(), "recover "));
  onTestFinished(() => {
    rmSync(made, { recursive: true });
  });
  return made;
}

const lock = (holder: Partial<NonNullable<Lock["holder"]>>): Lock => ({
  file: "/state/locks/a.json",
  holder: { pid: 7, username: "me", hostname: "laptop", timestamp: "2026-01-01", ...holder },
});

test.for<[string, Lock, string | undefined]>([
  ["a living process", lock({ pid: 42 }), "process 42 of me@laptop since 2026-01-01, which is running"],
  ["another machine", lock({ hostname: "build-3" }), "on another machine"],
  ["a process that is gone", lock({}), undefined],
  ["nobody, because it is torn", { file: "/state/locks/a.json", holder: undefined }, undefined],
])("a lock of %s", ([, one, refusal]) => {
  const check = () => {
    assertDead([one], (pid) => pid === 42, "laptop");
  };
  if (refusal === undefined) expect(check).not.toThrow();
  else expect(check).toThrow(refusal);
});

test("locks are read with their holders, a torn one without", async () => {
  const at = folder();
  const { holder } = lock({});
  writeFileSync(path.join(at, "a.json"), JSON.stringify(holder));
  writeFileSync(path.join(at, "b.json"), '{"pid": 1');
  writeFileSync(path.join(at, "notes.txt"), "");
  expect((await readLocks(at)).map((one) => one.holder)).toEqual([holder, undefined]);
  expect(await readLocks(path.join(at, "none"))).toEqual([]);
});

test("a torn state is replaced by its copy and kept beside it; a whole one is left alone", () => {
  const file = path.join(folder(), "test.json");
  writeFileSync(file, '{"version": 3, "check');
  writeFileSync(`${file}.bak`, '{"version": 3}');
  expect(repairState(file)).toEqual([expect.stringContaining("may be one write older")]);
  expect(readFileSync(file, "utf8")).toBe('{"version": 3}');
  expect(readFileSync(`${file}.torn`, "utf8")).toBe('{"version": 3, "check');
  expect(repairState(file)).toEqual([]);
});

test.for([
  ["there is none", undefined, "there is no copy beside it"],
  ["it is torn too", "", "so is the copy beside it"],
])("a torn state stays when of its copy %s", ([, copy, said]) => {
  const file = path.join(folder(), "test.json");
  writeFileSync(file, "");
  if (copy !== undefined) writeFileSync(`${file}.bak`, copy);
  expect(() => repairState(file)).toThrow(said);
  expect(readFileSync(file, "utf8")).toBe("");
});

test("a stack without a state has nothing to repair", () => {
  expect(repairState(path.join(folder(), "none", "test.json"))).toEqual([]);
  expect(removeHalfWritten(path.join(folder(), "none", "test.json"))).toEqual([]);
});

test("only half-written states of this stack are removed", () => {
  const at = folder();
  const file = path.join(at, "test.json");
  mkdirSync(path.join(at, "sub"));
  const names = ["test.json", "test.json.bak", "test.json.12.new", "test.json.x.new", "other.json.12.new"];
  for (const name of names) writeFileSync(path.join(at, name), "");
  expect(removeHalfWritten(file)).toEqual([expect.stringContaining("test.json.12.new")]);
  expect(names.filter((name) => existsSync(path.join(at, name)))).toEqual(
    names.filter((n) => n !== "test.json.12.new"),
  );
});
