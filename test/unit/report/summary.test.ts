// What is said of the resources that only some changes have: gates of waves, and merchants that leave.
import { expect, test } from "vitest";
import { parseEngineOutput } from "../../../report/engine-events.ts";
import { summarize } from "../../../report/summary/model.ts";
import { renderSummary } from "../../../report/summary/render.ts";

const stack = "urn:pulumi:prod::merchant-jobs";
const dynamic = "pulumi-nodejs:dynamic/merchant-jobs";

function update(type: string, name: string, before: object, after: object): string {
  const urn = `${stack}::${type}::${name}`;
  const state = (inputs: object) => ({ type: type.split("$").at(-1), urn, inputs, outputs: inputs });
  return JSON.stringify({
    resourcePreEvent: { metadata: { op: "update", urn, old: state(before), new: state(after), diffs: [] } },
  });
}

const commentOn = (...events: readonly string[]) => {
  const end = JSON.stringify({ summaryEvent: { resourceChanges: { update: events.length } } });
  return renderSummary(summarize("prod", parseEngineOutput([...events, end].join("\n"))));
};

test("a gate is one line, whatever the number of merchants in its wave, and no hash is shown", () => {
  const members = (state: string) =>
    Object.fromEntries(
      Array.from({ length: 400 }, (_, i) => [`shop_${i}`, { cell: "home", database: `shop_${i}`, state }]),
    );
  const gate = update(
    `${dynamic}:Gate`,
    "wave-1",
    { wave: 1, merchants: members("aa11") },
    { wave: 1, merchants: members("bb22") },
  );
  const comment = commentOn(gate);
  expect(comment.match(/wave-1/g)).toHaveLength(1);
  expect(comment).not.toMatch(/aa11|bb22|shop_/);
});

test("a merchant that is dropped now stands among what destroys, before all else", () => {
  const type = `merchant-jobs:index:Merchant$${dynamic}:Offboard`;
  const inputs = { cell: "home", merchant: "acme", database: "merchant_acme", export: "exports", differs: {} };
  const offboard = update(type, "acme-offboard", { ...inputs, drop: false }, { ...inputs, drop: true });
  expect(commentOn(offboard)).toMatch(/### ⚠️ Destroys or forgets\n\n- \*\*drops\*\* by `Offboard` for `acme`/);
});

test("a message with several problems is a list of them, each on a line of its own", () => {
  const problem = (i: number) =>
    `- merchant-jobs:merchants.shop_${i}.timezone = "Mars"\n    is no zone\n    way out: leave it out`;
  const message = ["The configuration has 9 problems.", ...Array.from({ length: 9 }, (_, i) => problem(i))].join("\n");
  const comment = commentOn(JSON.stringify({ diagnosticEvent: { severity: "error", message } }));
  expect(comment).toContain("- `The configuration has 9 problems.`\n  - `merchant-jobs:merchants.shop_0.timezone");
  expect(comment.match(/^ {2}- `merchant-jobs:.* way out: leave it out`$/gm)).toHaveLength(9);
});
