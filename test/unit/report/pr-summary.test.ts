import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";

const command = path.join(import.meta.dirname, "..", "..", "..", "report", "pr-summary.ts");
const recorded = path.join(import.meta.dirname, "recorded-preview.jsonl");
const comment = readFileSync(path.join(import.meta.dirname, "comments", "1.md"), "utf8");

const start = (...args: readonly string[]) => {
  const child = spawn(process.execPath, [command, ...args], { stdio: ["pipe", "pipe", "pipe"] });
  const status = new Promise<number | null>((resolve) => child.on("close", resolve));
  return { child, done: Promise.all([text(child.stdout), status]) };
};

test("pr-summary reads a preview from a file, and from a pipe that is written as the preview goes on", async () => {
  const fromFile = start("--stack", "dev", recorded);
  fromFile.child.stdin.end();
  const fromPipe = start("--stack", "dev");
  const lines = readFileSync(recorded, "utf8").split(/(?<=\n)/);
  for (const part of [lines.slice(0, 2), lines.slice(2)]) {
    await pause(300);
    fromPipe.child.stdin.write(part.join(""));
  }
  fromPipe.child.stdin.end();
  expect(await fromFile.done).toEqual([comment, 0]);
  expect(await fromPipe.done).toEqual([comment, 0]);
});

test("a preview that printed nothing is a comment that says so, and exit status 1", async () => {
  const { child, done } = start("--stack", "dev");
  child.stdin.end();
  const [said, status] = await done;
  expect([said.split("\n")[0], status]).toEqual(["<!-- merchant-jobs preview of dev -->", 1]);
});
