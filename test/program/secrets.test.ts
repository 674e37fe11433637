import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { makeProject } from "../project.ts";
import { dropMerchantLeftovers, freshName, testServer } from "../server.ts";

test("a password from the stack's configuration works, and is in no file and no output of a run, also of a failed one", async () => {
  const id = freshName("secret");
  const { password } = testServer();
  const project = await makeProject({ merchants: { [id]: {} }, credential: { config: "homePassword" } });
  const outputs: string[] = [];
  const run = async (...args: string[]) => {
    const outcome = await project.pulumi(...args);
    outputs.push(outcome.out, outcome.err);
    return outcome;
  };
  try {
    const missing = await run("preview");
    expect(missing.status).not.toBe(0);
    expect(missing.out + missing.err).toContain("homePassword");

    await project.setSecret("homePassword", "not this one");
    const wrong = await run("up", "--yes", "--skip-preview");
    expect(wrong.status).not.toBe(0);
    expect(wrong.out + wrong.err).toContain("check the cell's credential");

    await project.setSecret("homePassword", password);
    const right = await run("up", "--yes", "--skip-preview", "--diff");
    expect(right.status, right.err + right.out).toBe(0);
    expect((await run("preview", "--refresh", "--diff", "--json", "--expect-no-changes")).status).toBe(0);
    await run("stack", "export");

    const files = readdirSync(project.folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.join(entry.parentPath, entry.name))
      .filter((file) => !file.includes("node_modules"));
    expect(files.some((file) => file.includes("test.json"))).toBe(true);
    for (const secret of [password, "not this one"]) {
      expect(files.filter((file) => readFileSync(file, "latin1").includes(secret))).toEqual([]);
      expect(outputs.filter((text) => text.includes(secret))).toEqual([]);
    }
  } finally {
    project.remove();
    await dropMerchantLeftovers(`merchant_${id}`);
  }
});
