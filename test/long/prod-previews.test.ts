// What a pull request shows for a change of Pulumi.prod.yaml: the real program and its real types on the local engine, with
// no AWS to be asked. To take over a change of the texts on purpose: npx vitest run --project long prod-previews -u
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeProdStack, type ProdStack, type StackConfig } from "./prod-stack.ts";

let prod: ProdStack;

beforeAll(async () => {
  prod = await makeProdStack();
});
afterAll(() => {
  prod.remove();
});

const golden = (name: string) => path.join(import.meta.dirname, "prod-previews", name);

type Part = Readonly<Record<string, object>>;

function changed({
  cells = {},
  merchants = {},
  jobs = {},
}: {
  cells?: Part;
  merchants?: Part;
  jobs?: Part;
}): StackConfig {
  const merged = (key: string, more: Part) => {
    const before = prod.config[`merchant-jobs:${key}`] as Part;
    const entries = Object.entries(more).map(([name, value]): [string, object] => [
      name,
      { ...before[name], ...value },
    ]);
    return { [`merchant-jobs:${key}`]: { ...before, ...Object.fromEntries(entries) } };
  };
  return { ...prod.config, ...merged("cells", cells), ...merged("merchants", merchants), ...merged("jobs", jobs) };
}

test("as it is, nothing changes, and it says how full each cell is", async () => {
  const { status, text } = await prod.preview(prod.config, "text");
  expect(status, text).toBe(0);
  await expect(text).toMatchFileSnapshot(golden("as-it-is.txt"));
});

test("a changed job is one line for each merchant", async () => {
  const { status, text } = await prod.preview(
    changed({ jobs: { idempotency_cleanup: { schedule: "15 3 * * *" } } }),
    "comment",
  );
  expect(status, text).toBe(0);
  await expect(text).toMatchFileSnapshot(golden("changed-job.md"));
});

test("a new merchant is its own resources and the roster", async () => {
  const { status, text } = await prod.preview(changed({ merchants: { echo: { cell: "eu-2" } } }), "text");
  expect(status, text).toBe(0);
  await expect(text).toMatchFileSnapshot(golden("new-merchant.txt"));
});

test("a new cell shows every property of its instance", async () => {
  const cells = prod.config["merchant-jobs:cells"] as Part;
  const { status, text } = await prod.preview(changed({ cells: { "eu-3": cells["eu-2"] ?? {} } }), "text");
  expect(status, text).toBe(0);
  await expect(text).toMatchFileSnapshot(golden("new-cell.txt"));
});

test("secrets for the applications of a cell are one line for each of its merchants", async () => {
  const { status, text } = await prod.preview(changed({ cells: { "eu-2": { appLogin: "secret" } } }), "text");
  expect(status, text).toBe(0);
  await expect(text).toMatchFileSnapshot(golden("application-secrets.txt"));
});

test("what would replace an instance is refused by cell and property, before anything else is planned", async () => {
  const other = "arn:aws:kms:eu-central-1:123456789012:key/ffffffff-4e5f-6071-8293-a4b5c6d7e8f9";
  const { status, text } = await prod.preview(
    changed({ cells: { "eu-1": { kmsKeyId: other }, "big-1": { identifier: "titan", engineVersion: "18.1" } } }),
    "comment",
  );
  expect(status).toBe(1);
  // How far the program comes before it is stopped, and what it says until then, is not the same each time.
  const [refusal = ""] = text.split("\n### Messages\n");
  await expect(`${refusal.trimEnd()}\n`).toMatchFileSnapshot(golden("refused-replacement.md"));
});
