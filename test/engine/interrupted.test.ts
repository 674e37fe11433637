import { existsSync } from "node:fs";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";

import { describe, expect, test } from "vitest";

import { withKitProject } from "./project.ts";
import type { KitProject } from "./project.ts";

const TIMEOUT = 600_000;
const up = ["up", "--yes", "--skip-preview"];
const thing = (name: string, more: object = {}) => ({ name, inputs: { key: name }, ...more });

/** Puts the kit's provider behind one whose `create` does this first. */
function beforeCreate(project: KitProject, code: string): void {
  project.write("cloud.ts", project.read("provider.ts") ?? "");
  project.write(
    "provider.ts",
    `import { existsSync, writeFileSync } from "node:fs";
     import * as cloud from "./cloud.ts";
     export * from "./cloud.ts";
     export async function create(settings: any, inputs: any) { ${code} return cloud.create(settings, inputs); }`,
  );
}

/** A create that says that it has begun and goes on when it is let go. */
const HELD = `writeFileSync("begun-" + inputs.key, "");
  while (!existsSync("go")) await new Promise((resume) => setTimeout(resume, 20));`;

async function waitFor(what: string, condition: () => boolean): Promise<void> {
  const end = performance.now() + 120_000;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`waited in vain for: ${what}`);
    await pause(20);
  }
}

const begun = (project: KitProject, key: string) =>
  waitFor(`create of ${key}`, () => existsSync(path.join(project.folder, `begun-${key}`)));
const world = (project: KitProject) => JSON.parse(project.read("world.json") ?? "{}") as Record<string, unknown>;
const idsIn = async (project: KitProject) =>
  (await project.state()).resources.flatMap((r) => (r.id?.startsWith("id-") ? [r.id] : [])).sort();

describe.concurrent("a run that is interrupted", { timeout: TIMEOUT }, () => {
  test("a provider process that dies is an error of the resource in flight, and no operation is left (pkg/engine/journal_snapshot.go, createSnapshotMutation.End)", () =>
    withKitProject(async (project) => {
      beforeCreate(project, `if (inputs.key === "b") process.kill(process.pid, "SIGKILL");`);
      project.write("plan.json", [thing("a"), thing("b", { dependsOn: ["a"] }), thing("c", { dependsOn: ["b"] })]);
      const { status, out } = await project.run(...up);
      expect(status).toBe(1);
      expect(out).toMatch(/ b: create failed: .*SIGKILL/);
      const state = await project.state();
      expect(await idsIn(project)).toEqual(["id-a"]);
      expect(state.pending_operations).toBeUndefined();
    }));

  test("Ctrl-C lets the resource in flight finish, begins no other and saves (deployment_executor.go, Execute)", () =>
    withKitProject(async (project) => {
      beforeCreate(project, HELD);
      project.write("plan.json", [thing("a"), thing("b", { dependsOn: ["a"] })]);
      const run = project.start(...up);
      await begun(project, "a");
      process.kill(run.pid, "SIGINT");
      await waitFor("the engine's answer", () => run.printed().includes("stopping:"));
      project.write("go", "");
      const { status, out } = await run.done;
      // To the CLI it is any other failure (pkg/cmd/pulumi/cmd/exit_codes.go).
      expect(status).toBe(1);
      expect(out).toContain("stopped by Ctrl-C");
      expect(await idsIn(project)).toEqual(["id-a"]);
      expect((await project.state()).pending_operations ?? []).toEqual([]);
      expect((await project.run(...up)).status).toBe(0);
      expect(await idsIn(project)).toEqual(["id-a", "id-b"]);
    }));

  test("after an error too a second Ctrl-C ends at once, and what was under way is a pending operation", () =>
    withKitProject(async (project) => {
      beforeCreate(project, `if (inputs.key === "a") throw new Error("no"); ${HELD}`);
      project.write("plan.json", [thing("b"), thing("a")]);
      const run = project.start(...up);
      await begun(project, "b");
      await waitFor("the error", () => run.printed().includes("create failed: no"));
      process.kill(run.pid, "SIGINT");
      await waitFor("the engine's answer", () => run.printed().includes("stopping:"));
      process.kill(run.pid, "SIGINT");
      expect((await run.done).status).toBe(8);
      const state = await project.state();
      expect(state.pending_operations).toMatchObject([
        { type: "creating", resource: { urn: expect.stringMatching(/::b$/) as string } },
      ]);
    }));

  test("a second run is refused and told whose the lock is; a dead one's lock is cleared by cancel (diy/lock.go, checkForLock)", () =>
    withKitProject(async (project) => {
      beforeCreate(project, HELD);
      project.write("plan.json", [thing("a")]);
      const run = project.start(...up);
      await begun(project, "a");
      const second = await project.run(...up);
      expect(second.status).toBe(1);
      expect(second.err).toContain(`process ${run.pid} of`);
      expect((await project.run("cancel", "--yes")).status).toBe(1);
      process.kill(run.pid, "SIGKILL");
      await run.done;
      const dead = await project.run(...up);
      expect(dead.err).toContain("which is gone");
      // What was in flight is known to have been begun.
      expect((await project.state()).pending_operations).toMatchObject([{ type: "creating" }]);
      expect((await project.run("cancel", "--yes")).out).toContain(`process ${run.pid}`);
      project.write("go", "");
      expect((await project.run(...up)).status).toBe(0);
    }));

  test.for([1, 2, 3, 4])(
    "after kill -9 the state was true at that moment (backend/snapshot.go, BeginMutation; seed %i)",
    (seed) =>
      withKitProject(async (project) => {
        const names = Array.from({ length: 12 }, (_, i) => `r${i}`);
        // Two at a time wait for each other, so that a kill meets creates in flight.
        beforeCreate(project, `writeFileSync("begun-" + inputs.key, ""); await new Promise((r) => setTimeout(r, 30));`);
        project.write(
          "plan.json",
          names.map((name, i) => thing(name, i < 2 ? {} : { dependsOn: [`r${i - 2}`] })),
        );
        const run = project.start(...up);
        await begun(project, `r${(seed * 5) % 12}`);
        process.kill(run.pid, "SIGKILL");
        await run.done;
        // The provider's process ends with the engine: nothing goes on unseen.
        const pending = ((await project.state()).pending_operations ?? []).map(
          (p) => `id-${p.resource.urn.split("::").at(-1) ?? ""}`,
        );
        const known = await idsIn(project);
        const made = Object.keys(world(project));
        expect(made).toEqual(expect.arrayContaining(known));
        expect([...known, ...pending]).toEqual(expect.arrayContaining(made));

        await project.run("cancel", "--yes");
        project.write("calls.jsonl", "");
        expect((await project.run(...up)).status).toBe(0);
        expect(await idsIn(project)).toEqual(names.map((name) => `id-${name}`).sort());
        const again = (project.read("calls.jsonl") ?? "")
          .split("\n")
          .filter((line) => line.includes('"call":"create"'));
        expect(again).toHaveLength(names.length - known.length);
      }),
  );
});
