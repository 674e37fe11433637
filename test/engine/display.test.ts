import { describe, expect, test } from "vitest";

import { displayEvents } from "../../local/engine/display.ts";
import { withKitProject } from "./project.ts";

const TIMEOUT = 600_000;
const up = ["up", "--yes", "--skip-preview"];

/** The parts of the events that these tests look at. */
interface SeenEvent {
  readonly resOutputsEvent?: { readonly metadata: { readonly op: string; readonly urn: string } };
  readonly diagnosticEvent?: { readonly severity: string; readonly urn?: string; readonly message: string };
  readonly summaryEvent?: { readonly resourceChanges: unknown };
}

const eventsIn = (out: string) =>
  out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as SeenEvent);

describe.concurrent("what people see", { timeout: TIMEOUT }, () => {
  test("one line for each changed resource, the changed properties with --diff, secrets masked, and the counts", () =>
    withKitProject(async (project) => {
      const plan = (schedule: string, token: string) => [
        {
          name: "jobs",
          inputs: { key: "jobs", jobs: { expiry: { schedule, limit: 1 } }, password: token },
          secrets: ["password"],
        },
        { name: "still", inputs: { key: "still" } },
      ];
      project.write("plan.json", plan("0 2 * * *", "first-secret"));
      const created = await project.run(...up);
      expect(created.out).toMatch(/^ \+ pulumi-nodejs:dynamic\/conformance:Thing jobs created/m);
      expect(created.out).toContain("+ 3 created");

      project.write("plan.json", plan("30 2 * * *", "second-secret"));
      const preview = await project.run("preview", "--diff");
      expect(preview.out).toMatch(/^ ~ pulumi-nodejs:dynamic\/conformance:Thing jobs update/m);
      expect(preview.out).toContain('~ schedule: "0 2 * * *" => "30 2 * * *"');
      expect(preview.out).toContain("~ password: [secret] => [secret]");
      expect(preview.out).toMatch(/~ 1 to update\n {4}2 unchanged\n\nDuration: \d+\.\d s\./);
      expect(preview.out).not.toMatch(/still (update|create)|secret-|-secret|__provider|\u001b/);
      // Without --diff the names are enough.
      const updated = await project.run(...up, "--color", "always");
      expect(updated.out).toMatch(/^\u001b\[33m ~ \S+ jobs updated \[diff: ~jobs,~password\].*\u001b\[0m$/m);
    }));

  test("drift as the state has it and as it was found, then what the update will do about it", () =>
    withKitProject(async (project) => {
      project.write("plan.json", [{ name: "a", inputs: { key: "a", schedule: "0 0 * * *" } }]);
      await project.run(...up);
      project.write("world.json", { "id-a": { key: "a", schedule: "5 3 * * *" } });
      const { status, out, err } = await project.run("preview", "--refresh", "--diff", "--expect-no-changes");
      expect(status).toBe(7);
      expect(err).toContain("no changes were expected but changes were proposed");
      const [found, healed] = ['~ schedule: "0 0 * * *" => "5 3 * * *"', '~ schedule: "5 3 * * *" => "0 0 * * *"'];
      expect(out).toContain(found);
      expect(out.indexOf(healed)).toBeGreaterThan(out.indexOf(found));
    }));

  test("an error with the resource and the message, and nothing of the transport", () =>
    withKitProject(async (project) => {
      project.write("plan.json", [{ name: "a", inputs: { key: "a", fail: "create" } }]);
      const { out, err } = await project.run(...up);
      expect(out).toContain("error: pulumi-nodejs:dynamic/conformance:Thing a: create failed: the cloud said no\n");
      expect(out + err).not.toMatch(/UNKNOWN|grpc|^\s+at /m);
      expect(out).toContain("It failed");
    }));

  test("events as lines of JSON: steps, messages and the summary, without secrets", () =>
    withKitProject(async (project) => {
      project.write("plan.json", [{ name: "a", inputs: { key: "a", token: "hush-hush" }, secrets: ["token"] }]);
      const { out } = await project.run(...up, "--json");
      const events = eventsIn(out);
      expect(events.map((event) => Object.keys(event).at(-1))).toEqual([
        ...["resourcePreEvent", "resOutputsEvent", "resourcePreEvent", "resOutputsEvent", "summaryEvent"],
      ]);
      expect(events.at(-1)?.summaryEvent).toMatchObject({ result: "succeeded", resourceChanges: { create: 2 } });
      expect(out).not.toContain("hush-hush");
    }));

  test("what only refreshes ends each step in the events under the name of what it found (pkg/engine/update.go, OnResourceStepPost)", () =>
    withKitProject(async (project) => {
      const names = ["kept", "changed", "lost"];
      project.write(
        "plan.json",
        names.map((name) => ({ name, inputs: { key: name } })),
      );
      await project.run(...up);
      project.write("world.json", { "id-kept": { key: "kept" }, "id-changed": { key: "changed", size: 1 } });
      const ends = async (...words: string[]) => {
        const { out } = await project.run(...words, "--json");
        const ended = eventsIn(out).flatMap(({ resOutputsEvent }) => resOutputsEvent?.metadata ?? []);
        return Object.fromEntries(ended.map(({ op, urn }): [string, string] => [urn.split("::").at(-1) ?? "", op]));
      };
      expect(await ends("preview", "--refresh")).toMatchObject({ kept: "same", changed: "update", lost: "create" });
      const found = { kept: "same", changed: "update", lost: "delete" };
      expect(await ends("refresh", "--preview-only")).toMatchObject(found);
      expect(await ends("refresh", "--yes", "--skip-preview")).toMatchObject(found);
    }));

  test("of a preview's failed read there is the message alone (pkg/engine/update.go, previewActions.OnResourceStepPost)", () =>
    withKitProject(async (project) => {
      project.write("plan.json", [{ name: "a", inputs: { key: "a", fail: "read" } }]);
      await project.run(...up);
      const of = async (...words: string[]) => {
        const events = eventsIn((await project.run(...words, "--refresh", "--json")).out);
        const said = events.flatMap(({ diagnosticEvent }) => diagnosticEvent?.urn && diagnosticEvent.message);
        return [...said.filter(Boolean), ...events.flatMap((event) => ("resOpFailedEvent" in event ? "failed" : []))];
      };
      expect(await of("preview")).toEqual(["Preview failed: the cloud does not answer"]);
      expect(await of(...up)).toEqual(["the cloud does not answer", "failed"]);
    }));

  test("after a failed step comes a message about the whole run; a program that throws has none (deployment_executor.go, reportExecResult)", () =>
    withKitProject(async (project) => {
      const errors = async (...words: string[]) => {
        const { out } = await project.run(...words, "--json");
        const said = eventsIn(out).flatMap(({ diagnosticEvent }) => diagnosticEvent ?? []);
        return said.filter((one) => one.severity === "error" && one.urn === undefined).map((one) => one.message);
      };
      project.write("plan.json", [{ name: "a", inputs: { key: "a", fail: "create" } }]);
      expect(await errors(...up)).toEqual(["update failed"]);
      project.write("plan.json", [{ name: "a", inputs: { key: "a" }, protect: true }]);
      await project.run(...up);
      project.write("plan.json", []);
      expect(await errors("preview")).toEqual(["preview failed"]);
      project.write("plan.json", [{ name: "x", throws: "out of paper" }]);
      expect(await errors("preview")).toEqual([expect.stringContaining("out of paper")]);
    }));

  test("what is asked for without --yes and without a terminal to ask is not done", () =>
    withKitProject(async (project) => {
      const { status, err } = await project.run("up");
      expect(status).toBe(2);
      expect(err).toContain("--yes");
    }));
});

test("a diff shows what a refresh finds different in the outputs alone, which no up changes (pkg/backend/display/diff.go)", () => {
  const urn = "urn:pulumi:dev::conformance::conformance:index:Thing::a";
  const state = (token: string) => ({
    urn,
    type: "conformance:index:Thing",
    custom: true,
    id: "id-a",
    outputs: { token },
  });
  const shown = (diff: boolean) => {
    let text = "";
    const events = displayEvents({ planning: true, diff, color: false, write: (more) => (text += more) });
    events.finished({ op: "refresh", urn, old: state("first"), new: state("second"), found: "same" }, 0);
    return text;
  };
  expect(shown(true)).toContain(
    `Thing a refresh: it is different\n      [id=id-a]\n      [urn=${urn}]\n      ~ token: "first" => "second"\n`,
  );
  expect(shown(false)).toBe("");
});
