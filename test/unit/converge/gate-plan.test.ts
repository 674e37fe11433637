import { describe, expect, test } from "vitest";
import {
  describeStop,
  desiredState,
  dueMembers,
  type GateMember,
  gateMemory,
  type GateOutcome,
} from "../../../converge/gate-plan.ts";
import { parseStack } from "../../../spec/stack.ts";

const member = (state: string): GateMember => ({ cell: "home", database: "d", state });
const outcome = (merchant: string, more: Partial<GateOutcome> = {}): GateOutcome => {
  return { merchant, failures: [], quarantined: [], told: undefined, ...more };
};

describe("desiredState", () => {
  const sql = { migrations: { "a/001_x.sql": "1" }, routines: { a: "1" } };
  const spec = (line: object, jobs = {}) =>
    parseStack({ cells: { home: { kind: "local" } }, merchants: { acme: line }, jobs }).merchants[0]!;
  const plain = desiredState(spec({}), sql);

  test("is short, and the same for the same, in whatever order", () => {
    expect(plain).toMatch(/^[0-9a-f]{16}$/);
    const turned = Object.fromEntries(Object.entries(spec({})).reverse()) as ReturnType<typeof spec>;
    expect(desiredState(turned, { routines: { a: "1" }, migrations: { "a/001_x.sql": "1" } })).toBe(plain);
    expect(desiredState(spec({ suspended: false, connectionLimit: 50, jobs: {} }), sql)).toBe(plain);
  });

  test.each<readonly [string, object, object, object]>([
    ["a setting of its own", { connectionLimit: 7 }, {}, sql],
    ["a pause", { suspended: true }, {}, sql],
    ["a job's schedule", { jobs: { lot_expiry: { schedule: "1 2 * * *" } } }, {}, sql],
    ["a job that is switched off", { jobs: { lot_expiry: { enabled: false } } }, {}, sql],
    ["a change for all merchants", {}, { lot_expiry: { batchSize: 7 } }, sql],
    ["a migration", {}, {}, { ...sql, migrations: { ...sql.migrations, "a/002_y.sql": "1" } }],
    ["a routine", {}, {}, { ...sql, routines: { a: "2" } }],
  ])("is another one after %s", (_what, line, jobs, files) => {
    expect(desiredState(spec(line, jobs), files as typeof sql)).not.toBe(plain);
  });
});

test("a gate runs the merchants that are new or changed, and none that passed; each knows what was told of it", () => {
  const before = { merchants: { acme: member("1"), gone: member("3") }, told: { acme: "t1", bluebird: "t2" } };
  const merchants = (members: Readonly<Record<string, GateMember>>) =>
    dueMembers(members, before).map(({ merchant, told }) => [merchant, told]);
  expect(merchants({ acme: member("1") })).toEqual([]);
  expect(merchants({ acme: member("1b"), bluebird: member("2"), constructor: member("1"), gone: member("3") })).toEqual(
    [
      ["acme", "t1"],
      ["bluebird", "t2"],
      ["constructor", undefined],
    ],
  );
});

describe("a wave of four of which one passed before", () => {
  const members = { acme: member("1"), bluebird: member("1"), coral: member("1"), dahlia: member("1") };
  const before = { merchants: { acme: member("1"), bluebird: member("0") }, told: { acme: "t1", gone: "t2" } };
  const outcomes = [
    outcome("bluebird"),
    outcome("coral", { failures: ["coral, job x: failed"], quarantined: ["coral, job y: 1 item"], told: "t3" }),
    outcome("dahlia", { quarantined: ["dahlia, job y: 2 items"], told: "t4" }),
  ];
  const after = gateMemory(members, before, outcomes);

  test("goes on when all is well", () => {
    expect(describeStop(1, [outcome("bluebird"), outcome("coral"), outcome("dahlia")])).toBeUndefined();
  });

  test("stops with every reason and the way out", () => {
    expect(describeStop(2, outcomes)).toMatchInlineSnapshot(`
      "wave 2 stops here, and no merchant of a later wave was changed:
      - coral, job x: failed
      - coral, job y: 1 item
      - dahlia, job y: 2 items
      way out: repair what failed, and run up again: it goes on with this wave; look at app.job_quarantine; the next up takes the items that were told here as known, and goes on. Merchants that passed are not run again."
    `);
    expect(describeStop(2, [outcome("dahlia", { quarantined: ["2 items"] })])).not.toContain("repair");
  });

  test("remembers who passed, and up to which item each was told, and nobody who is not in it", () => {
    expect(after).toEqual({
      merchants: { acme: member("1"), bluebird: member("1") },
      told: { acme: "t1", coral: "t3", dahlia: "t4" },
    });
  });

  test("runs who did not pass again, and tells what was told no more, also when something else changes", () => {
    expect(dueMembers(members, after).map(({ merchant, told }) => [merchant, told])).toEqual([
      ["coral", "t3"],
      ["dahlia", "t4"],
    ]);
    const passed = gateMemory(members, after, [outcome("coral"), outcome("dahlia")]);
    expect(passed).toEqual({ merchants: members, told: after.told });
    expect(dueMembers(members, passed)).toEqual([]);
    expect(dueMembers({ ...members, dahlia: member("2") }, passed)).toEqual([
      { merchant: "dahlia", ...member("2"), told: "t4" },
    ]);
  });

  test("moves on to newer items, which stop it again", () => {
    const newer = outcome("dahlia", { quarantined: ["dahlia, job y: 1 item"], told: "t5" });
    expect(describeStop(2, [outcome("coral"), newer])).toContain("dahlia, job y: 1 item");
    expect(gateMemory(members, after, [outcome("coral"), newer])).toEqual({
      merchants: { acme: member("1"), bluebird: member("1"), coral: member("1") },
      told: { ...after.told, dahlia: "t5" },
    });
  });
});
