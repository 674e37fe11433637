import { expect, test } from "vitest";
import { withKitProject } from "../engine/project.ts";
import { onboardThirty } from "../many-case.ts";

test.each([1, 2, 3])(
  "thirty merchants in one up, with the default parallelism and without one retry (%i)",
  onboardThirty,
);

const up = ["up", "--yes", "--skip-preview"];

test("three hundred resources are made, found unchanged and deleted (step_executor.go, newStepExecutor)", () =>
  withKitProject(async (project) => {
    const names = Array.from({ length: 300 }, (_, i) => `r${i}`);
    const thing = (name: string, i: number) => ({
      ...{ name, inputs: { key: name } },
      ...(i % 3 !== 0 && { dependsOn: [`r${i - 1}`] }),
    });
    project.write("plan.json", names.map(thing));
    expect((await project.run(...up)).status).toBe(0);
    const { resources } = await project.state();
    const made = resources.filter(({ type }) => type === "pulumi-nodejs:dynamic/conformance:Thing");
    expect(made.map(({ urn }) => urn.split("::").at(-1)).sort()).toEqual([...names].sort());
    const unchanged = await project.run(...up, "--expect-no-changes");
    expect(unchanged.status).toBe(0);
    expect(unchanged.out).toContain("301 unchanged");
    expect((await project.run("destroy", "--yes", "--skip-preview")).status).toBe(0);
    expect(JSON.parse(project.read("world.json") ?? "")).toEqual({});
  }));
