import { describe, expect, test } from "vitest";

import { withKitProject } from "./project.ts";

const TIMEOUT = 600_000;
const up = ["up", "--yes", "--skip-preview"];
const first = { name: "first", inputs: { key: "first" } };

/** A program in which a resource that the engine could make comes before two that it could not. */
const FOREIGN = `
import * as pulumi from "@pulumi/pulumi";
class Group extends pulumi.ComponentResource { constructor(n: string) { super("my:index:Group", n); } }
new Group("mine");
const bucket = new pulumi.CustomResource("aws:s3/bucket:Bucket", "logs", { bucket: "logs", arn: undefined });
new pulumi.CustomResource("gcp:storage/bucket:Bucket", "copies", { of: (bucket as any).arn });
export const arn = (bucket as any).arn;
`;

describe.concurrent(
  "what the local engine cannot do is refused by name, before anything is changed",
  { timeout: TIMEOUT },
  () => {
    test.for([
      ["deletedWith", { deletedWith: "first" }],
      ["aliases", { aliasOf: "before" }],
    ] as const)("the option %s", ([option, more]) =>
      withKitProject(async (project) => {
        project.write("plan.json", [first, { name: "second", inputs: { key: "second" }, ...more }]);
        const { status, out } = await project.run(...up);
        expect(status).toBe(1);
        expect(out).toContain(option);
        expect(out).toContain("use the Pulumi CLI");
        expect((await project.state()).resources).toEqual([]);
        expect(project.read("world.json")).toBeUndefined();
      }),
    );

    test("a change that the provider answers with replacement, though another resource would be changed before", () =>
      withKitProject(async (project) => {
        project.write("plan.json", [first, { name: "a", inputs: { key: "a1" }, dependsOn: ["first"] }]);
        await project.run(...up);
        const before = await project.state();
        project.write("plan.json", [
          { name: "first", inputs: { key: "first", size: 2 } },
          { name: "a", inputs: { key: "a2" }, dependsOn: ["first"] },
        ]);
        const { status, out } = await project.run(...up);
        expect(status).toBe(1);
        expect(out).toMatch(/::a: a change of key would replace it/);
        expect((await project.state()).resources).toEqual(before.resources);
        expect(JSON.parse(project.read("world.json") ?? "")).toHaveProperty("id-first", { key: "first" });
      }));

    test("every type without a provider in one list; a preview shows inputs as planned", () =>
      withKitProject(async (project) => {
        project.write("index.ts", FOREIGN);
        const preview = await project.run("preview", "--diff");
        expect(preview).toMatchObject({ status: 0 });
        expect(preview.out).toContain('bucket: "logs"');
        expect(preview.out).toContain("of: [unknown]");
        const refused = await project.run(...up);
        expect(refused.status).toBe(1);
        expect(refused.out).toContain("aws:s3/bucket:Bucket\n  gcp:storage/bucket:Bucket");
        expect(refused.out).toContain("use the Pulumi CLI");
        expect((await project.state()).resources).toEqual([]);
      }));

    test.for([
      [["up", "--yes", "--continue-on-error"], "--continue-on-error"],
      [["up", "--yes", "--target", "urn:x"], "--target"],
      [["import", "a", "b", "c"], '"import"'],
      [["stack", "graph"], '"stack graph"'],
    ] as const)("the words %s", ([words, named]) =>
      withKitProject(async (project) => {
        const { status, err } = await project.run(...words);
        expect(status).toBe(1);
        expect(err).toContain(named);
        expect(err.toLowerCase()).toContain("use the pulumi cli");
      }),
    );

    test.for([
      [["preview", "--stack", "nowhere"], 6],
      [["stack", "export", "--stack", "nowhere"], 6],
      [["up"], 2],
      [["preview", "more"], 1],
      [["stack", "init", "shop/dev"], 1],
    ] as const)("%j with exit status %i (pkg/cmd/pulumi/cmd/exit_codes.go)", ([words, expected]) =>
      withKitProject(async (project) => {
        expect((await project.run(...words)).status).toBe(expected);
      }),
    );

    test("a state of a newer version", () =>
      withKitProject(async (project) => {
        project.write("newer.json", { version: 4, deployment: { resources: [] } });
        const { status, err } = await project.run("stack", "import", "--file", "newer.json");
        expect(status).toBe(1);
        expect(err).toContain("version 4");
      }));

    test("a state whose secrets another provider keeps", () =>
      withKitProject(async (project) => {
        project.write("cloud.json", {
          version: 3,
          deployment: { secrets_providers: { type: "service" }, resources: [] },
        });
        const { status, err } = await project.run("stack", "import", "--file", "cloud.json");
        expect(status).toBe(1);
        expect(err).toContain("service");
      }));
  },
);
