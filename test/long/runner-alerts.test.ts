import { spawnSync } from "node:child_process";
import path from "node:path";
import { expect, test } from "vitest";
import { findIn, unpackDebian } from "../debian.ts";

const repository = path.join(import.meta.dirname, "..", "..");

test.for([
  ["check", path.join("runner", "alerts.yaml")],
  ["test", path.join("test", "runner", "alerts.promtool.yaml")],
])("Prometheus has nothing to say against its rules: promtool %s rules", ([word, file]) => {
  const promtool = findIn(unpackDebian("prometheus"), "bin/promtool");
  const { status, stdout, stderr } = spawnSync(promtool, [word!, "rules", file!], {
    cwd: repository,
    encoding: "utf8",
  });
  expect(status, stdout + stderr).toBe(0);
});
