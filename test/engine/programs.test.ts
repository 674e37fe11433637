import { describe, expect, test } from "vitest";

import { withKitProject } from "./project.ts";
import type { KitProject } from "./project.ts";

const TIMEOUT = 600_000;
const up = ["up", "--yes", "--skip-preview"];

const namesIn = async (project: KitProject) =>
  (await project.state()).resources
    .filter((r) => r.type === "pulumi-nodejs:dynamic/conformance:Thing")
    .map((r) => r.urn.split("::").at(-1))
    .sort();
const callsOf = (project: KitProject) =>
  (project.read("calls.jsonl") ?? "")
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as { call: string; id?: string; inputs?: Record<string, unknown>; news?: unknown });
const thing = (name: string, more: object = {}) => ({ name, inputs: { key: name }, ...more });

// Cases beyond the recorded scenarios; the file of the real engine that decides each is named in the test.
describe.concurrent("a program on the local engine", { timeout: TIMEOUT }, () => {
  test("a resource that depends on a component goes before the component's children (step_generator.go, ScheduleDeletes)", () =>
    withKitProject(async (project) => {
      project.write("plan.json", [
        { name: "g", component: true },
        thing("a", { parent: "g" }),
        thing("b", { dependsOn: ["g"] }),
      ]);
      expect((await project.run(...up)).status).toBe(0);
      const b = (await project.state()).resources.find((r) => r.id === "id-b");
      expect(b?.["dependencies"]).toEqual(expect.arrayContaining([expect.stringMatching(/::a$/)]));
      expect((await project.run("destroy", "--yes", "--skip-preview")).status).toBe(0);
      expect(callsOf(project).flatMap((c) => (c.call === "delete" ? [c.id] : []))).toEqual(["id-b", "id-a"]);
    }));

  test("a program that throws leaves what it made, deletes nothing and fails (deployment_executor.go, Execute)", () =>
    withKitProject(async (project) => {
      project.write("plan.json", [thing("a"), thing("b")]);
      expect((await project.run(...up)).status).toBe(0);
      project.write("plan.json", [thing("c"), { name: "x", throws: "out of paper" }, thing("a"), thing("b")]);
      const { status, out } = await project.run(...up);
      expect(status).toBe(1);
      expect(out).toContain("out of paper");
      // Where it threw is said, though stacks that nobody reads are not made.
      expect(out).toMatch(/^ +at .*index\.ts:\d+:\d+/m);
      expect(await namesIn(project)).toEqual(expect.arrayContaining(["a", "b"]));
      expect(callsOf(project).filter((c) => c.call === "delete")).toEqual([]);
    }));

  test("a proxy that the environment names is for the rest of the world (grpc-js, http_proxy.ts)", async () => {
    const nowhere = "http://127.0.0.1:9/";
    const proxies = { http_proxy: nowhere, https_proxy: nowhere, grpc_proxy: nowhere, no_proxy: "" };
    await withKitProject(
      async (project) => {
        project.write("plan.json", [thing("a")]);
        expect(await project.run(...up)).toMatchObject({ status: 0, err: "" });
        expect(await namesIn(project)).toEqual(["a"]);
      },
      "conformance",
      proxies,
    );
  });

  test("unknown values and secrets deep inside inputs reach the provider, and only it (provider_plugin.go, annotateSecrets)", () =>
    withKitProject(async (project) => {
      const deep = { list: [1, { password: { $secret: "hush-hush" }, from: "${a.token}" }] };
      project.write("plan.json", [thing("a"), { name: "b", inputs: { key: "b", deep } }]);
      const preview = await project.run("preview", "--diff");
      expect(preview.status).toBe(0);
      expect(preview.out + preview.err).not.toContain("hush-hush");
      expect(preview.out).toContain("[secret]");
      const unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
      expect(callsOf(project).map((c) => c.news)).toContainEqual({
        key: "b",
        deep: { list: [1, { password: "hush-hush", from: unknown }] },
      });
      expect((await project.run(...up)).status).toBe(0);
      expect(JSON.parse(project.read("world.json") ?? "")).toMatchObject({
        "id-b": { deep: { list: [1, { password: "hush-hush", from: "t-id-a" }] } },
      });
      expect(JSON.stringify(await project.state())).not.toContain("hush-hush");
      expect((await project.run("preview", "--expect-no-changes")).status).toBe(0);
    }));

  test("an input that becomes a secret hides the output of its name, though nothing else changes (step_executor.go, executeStep)", () =>
    withKitProject(async (project) => {
      project.write("plan.json", [thing("a", { inputs: { key: "a", password: "hush-hush" } })]);
      await project.run(...up);
      expect(JSON.stringify(await project.state())).toContain("hush-hush");
      project.write("plan.json", [thing("a", { inputs: { key: "a", password: "hush-hush" }, secrets: ["password"] })]);
      expect((await project.run(...up, "--expect-no-changes")).status).toBe(0);
      expect(JSON.stringify(await project.state())).not.toContain("hush-hush");
    }));

  test("a child whose parent is gone has none until the next up (deployment_executor.go, undangleParentResources)", () =>
    withKitProject(async (project) => {
      project.write("plan.json", [thing("a"), thing("b", { parent: "a" })]);
      await project.run(...up);
      project.write("world.json", { "id-b": { key: "b" } });
      expect((await project.run("refresh", "--yes", "--skip-preview")).status).toBe(0);
      const parentOfB = async () => (await project.state()).resources.find((r) => r.id === "id-b")?.["parent"];
      expect(await parentOfB()).toBeUndefined();
      expect((await project.run(...up)).status).toBe(0);
      expect(await parentOfB()).toMatch(/::a$/);
    }));

  test("a refresh that finds nothing changes nothing (step.go, RefreshStep)", () =>
    withKitProject(async (project) => {
      project.write("plan.json", [thing("a"), thing("b", { dependsOn: ["a"] })]);
      await project.run(...up);
      const before = await project.state();
      expect((await project.run("refresh", "--yes", "--skip-preview", "--expect-no-changes")).status).toBe(0);
      expect((await project.state()).resources.map((r) => [r.urn, r["modified"], r.outputs])).toEqual(
        before.resources.map((r) => [r.urn, r["modified"], r.outputs]),
      );
    }));

  test("what is protected is not forgotten either, though it would be retained (step.go, DeleteStep)", () =>
    withKitProject(async (project) => {
      project.write("plan.json", [thing("a", { protect: true, retainOnDelete: true })]);
      await project.run(...up);
      project.write("plan.json", []);
      const { status, out } = await project.run(...up);
      expect(status).toBe(1);
      expect(out).toContain("protected");
      expect(await namesIn(project)).toEqual(["a"]);
    }));

  test("destroy takes targets, and refuses to drag others along (step_generator.go, GenerateDeletes)", () =>
    withKitProject(async (project) => {
      project.write("plan.json", [thing("a"), thing("b", { dependsOn: ["a"] }), thing("c")]);
      await project.run(...up);
      const urn = (await project.state()).resources.find((r) => r.id === "id-a")?.urn ?? "";
      const destroy = ["destroy", "--yes", "--skip-preview", "--target", urn];
      const refused = await project.run(...destroy);
      expect(refused.status).toBe(1);
      expect(refused.out + refused.err).toContain("--target-dependents");
      expect(await namesIn(project)).toEqual(["a", "b", "c"]);
      expect((await project.run(...destroy, "--target-dependents")).status).toBe(0);
      expect(await namesIn(project)).toEqual(["c"]);
    }));
});
