import { expect, test } from "vitest";
import { z } from "zod";
import { provider as access } from "../../../components/providers/access.ts";
import { provider as crontab } from "../../../components/providers/crontab.ts";
import { provider as migrations } from "../../../components/providers/migrations.ts";
import { PartlyDone, provide } from "../../../components/providers/provider.ts";
import { provider as roster } from "../../../components/providers/roster.ts";

const config = { get: () => undefined };
const acme = { cell: "home", database: "merchant_acme" };
const unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
const reasons = ({ failures }: { failures?: readonly { property: string; reason: string }[] }) =>
  (failures ?? []).map(({ property, reason }) => `${property}: ${reason}`);

test("the roster refuses a merchant that vanished or moved, and lets new ones in", () => {
  const before = { merchants: { acme }, requires: {} };
  const check = (merchants: object) => reasons(roster.check(config, before, { merchants, requires: {} }));
  expect(check({ acme, bluebird: acme })).toEqual([]);
  expect(check({})).toEqual([expect.stringContaining("merchant-jobs:merchants.acme: is gone")]);
  expect(check({ acme: { ...acme, cell: "other" } })).toHaveLength(1);
});

test("the roster lets no merchant be dropped that was not exported before, nor in its first up", () => {
  const drop = { merchants: { acme: { ...acme, offboard: "drop" } }, requires: {} };
  for (const before of [{}, { merchants: {}, requires: {} }, { merchants: { acme }, requires: {} }]) {
    expect(reasons(roster.check(config, before, drop))).toEqual([
      expect.stringContaining("has no export of an earlier"),
    ]);
  }
  const exported = { merchants: { acme: { ...acme, offboard: "export" } }, requires: {} };
  expect(reasons(roster.check(config, exported, drop))).toEqual([]);
});

test.each([
  [{ merchants: { acme } }, "is gone"],
  [{ merchants: { acme }, requires: { home: "9.9" }, later: true }, "is gone"],
  [{ merchants: "?" }, "cannot read"],
])("the roster still protects when its state comes from another version (%j)", (before, text) => {
  expect(reasons(roster.check(config, before, { merchants: {}, requires: {} }))).toEqual([
    expect.stringContaining(text),
  ]);
});

const files = { cell: "home", database: "merchant_acme", set: "merchant", routines: {}, differs: {} };

test("edited, missing and overtaken migrations are refused in the preview", () => {
  const before = { ...files, migrations: { "m/migrations/002_a.sql": "1", "m/migrations/003_b.sql": "1" } };
  const after = { ...files, migrations: { "m/migrations/002_a.sql": "2", "m/migrations/001_c.sql": "1" } };
  expect(reasons(migrations.check(config, before, after))).toEqual([
    expect.stringContaining("002_a.sql was edited"),
    expect.stringContaining("003_b.sql was applied and its file is missing"),
    expect.stringContaining("001_c.sql comes before"),
  ]);
  expect(reasons(migrations.check(config, {}, after))).toEqual([]);
});

test("that a cell gets pg_cron, or gives it up, is refused by no preview", () => {
  const cron = { cell: "home", database: "cron", set: "cron", routines: {}, differs: {} };
  const registry = { "migrations/002_create_registry.sql": "1" };
  const before = { ...cron, migrations: { "migrations/001_enable_pg_cron.sql": "1", ...registry } };
  const after = { ...cron, scheduler: "runner", migrations: registry };
  expect(reasons(migrations.check(config, before, after))).toEqual([]);
  expect(reasons(migrations.check(config, after, { ...before, scheduler: "pg_cron" }))).toEqual([]);
});

test("what identifies an object cannot change", () => {
  const inputs = { cell: "home", merchant: "acme", database: "merchant_acme", differs: {} };
  expect(reasons(access.check(config, inputs, { ...inputs, database: "other" }))).toEqual([
    'database: was "merchant_acme" and cannot become "other": put it back',
  ]);
});

test("inputs that are not of the right form are refused by path, and unknown ones are left alone", () => {
  const jobs = { lot_expiry: { schedule: 5 } };
  const inputs = { cell: "home", merchant: "acme", database: "d", suspended: false, registered: true, jobs };
  expect(reasons(crontab.check(config, {}, inputs))).toEqual([expect.stringMatching(/^jobs\.lot_expiry\.schedule: /)]);
  expect(reasons(crontab.check(config, {}, { ...inputs, jobs: { lot_expiry: { schedule: unknown } } }))).toEqual([]);
});

test("a diff sees a change at any depth, nothing in another order, and never replaces", () => {
  const olds = { cell: "home", jobs: { a: { x: 1, y: 2 } }, differs: {}, __provider: "old text" };
  expect(crontab.diff(config, "id", olds, { differs: {}, jobs: { a: { y: 2, x: 1 } }, cell: "home" })).toEqual({
    changes: false,
    replaces: [],
  });
  expect(crontab.diff(config, "id", olds, { ...olds, jobs: { a: { x: 1, y: 3 } } })).toEqual({
    changes: true,
    replaces: [],
  });
});

test("what was done before a failure is kept with the provider's text, and the next apply is given it", async () => {
  const given: unknown[] = [];
  const half = provide<{ n: number }>({
    schema: z.strictObject({ n: z.number() }),
    fixed: [],
    id: () => "one",
    apply(_inputs, _context, before) {
      given.push(before);
      return Promise.reject(new PartlyDone({ n: 1 }, new Error("the second half failed")));
    },
    read: (inputs) => Promise.resolve(inputs),
    remove: () => Promise.resolve(),
  });
  const news = { n: 2, __provider: "text" };
  const kept = { message: "the second half failed", id: "one", properties: { n: 1, __provider: "text" } };
  const failed = { ...kept, reasons: ["the second half failed"] };
  await expect(half.create(config, news)).rejects.toMatchObject(failed);
  await expect(half.update(config, "one", { n: 1, __provider: "old" }, news)).rejects.toMatchObject(failed);
  expect(given).toEqual([
    { fresh: true, olds: {} },
    { fresh: false, olds: { n: 1 } },
  ]);
});
