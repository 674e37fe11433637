import { readFileSync } from "node:fs";
import path from "node:path";
import { parse } from "yaml";
import { describe, expect, test } from "vitest";
import { createMetrics } from "../../../runner/http/metrics.ts";
import { knowNothing } from "../../../runner/knowledge.ts";
import { HEADINGS } from "../../../runner/runbook.ts";

const repository = path.join(import.meta.dirname, "..", "..", "..");
const read = (file: string) => readFileSync(path.join(repository, file), "utf8");
const text = read("runner/alerts.yaml");
const { groups } = parse(text) as {
  readonly groups: readonly { readonly rules: readonly { alert: string; expr: string; annotations: Annotations }[] }[];
};
interface Annotations {
  readonly summary: string;
  readonly description: string;
  readonly runbook_url: string;
}
const rules = groups.flatMap((group) => group.rules);

describe("runner/alerts.yaml", () => {
  test("has a rule for every kind of trouble, and for no other", () => {
    const kinds = [...text.matchAll(/kind=~?"([^"]+)"/g)].flatMap(([, found = ""]) => found.split("|"));
    expect(kinds.toSorted()).toEqual(Object.keys(HEADINGS).toSorted());
  });

  test("asks for metrics that the runner has", async () => {
    const knowledge = knowNothing(["home"], { cell: 1, merchant: 1 }, 0);
    const answer = await createMetrics().render(knowledge);
    const names = new Set([...text.matchAll(/\bmerchant_jobs_\w+/g)].map(([name]) => name));
    expect(names.size).toBeGreaterThan(6);
    for (const name of names) expect(answer, name).toContain(`# TYPE ${name} gauge`);
  });

  test.for(rules)("$alert says what to do", ({ alert, annotations }) => {
    expect(annotations.summary.length).toBeGreaterThan(20);
    expect(annotations.description.length).toBeGreaterThan(40);
    // promtool runs each.
    expect(read("test/runner/alerts.promtool.yaml")).toMatch(
      new RegExp(`alertname: ${alert}\\n\\s+exp_alerts:\\n\\s+- exp_labels`),
    );
  });
});
