import { describe, expect, test } from "vitest";
import {
  describeStop,
  desiredState,
  dueMembers,
  type GateMember,
  type GateOutcome,
  passedMembers,
} from "../../../converge/gate-plan.ts";
import { parseStack } from "../../../spec/stack.ts";

const member = (state: string, more: object = {}): GateMember => ({ cell: "home", database: "d", state, ...more });
const outcome = (merchant: string, more: Partial<GateOutcome> = {}): GateOutcome => {
  return { merchant, failures: [], quarantined: [], ...more };
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

describe("which merchants a gate runs", () => {
  const known = { acme: member("1"), bluebird: member("2", { quarantined: true }), gone: member("3") };
  const merchants = (members: object, before = known) =>
    dueMembers(members as typeof known, before).map(({ merchant, acknowledged }) => [merchant, acknowledged]);
  test("those that are new or changed, and none that passed", () => {
    expect(merchants({ acme: member("1") })).toEqual([]);
    expect(merchants({ acme: member("1b"), constructor: member("1"), gone: member("3") })).toEqual([
      ["acme", false],
      ["constructor", false],
    ]);
  });
  test("one that stopped for its quarantine again, which is known by now; another state's is not", () => {
    expect(merchants({ bluebird: member("2") })).toEqual([["bluebird", true]]);
    expect(merchants({ bluebird: member("2b") })).toEqual([["bluebird", false]]);
  });
});

describe("a wave of four of which one passed before", () => {
  const members = { acme: member("1"), bluebird: member("1"), coral: member("1"), dahlia: member("1") };
  const before = { acme: member("1"), bluebird: member("0") };
  const due = dueMembers(members, before);
  const outcomes = [
    outcome("bluebird"),
    outcome("coral", { failures: ["coral, job x: failed"], quarantined: ["coral, job y: 1 item"] }),
    outcome("dahlia", { quarantined: ["dahlia, job y: 2 items"] }),
  ];

  test("goes on when all is well", () => {
    expect(describeStop(1, due, [outcome("bluebird"), outcome("coral"), outcome("dahlia")])).toBeUndefined();
  });

  test("stops with every reason and the way out", () => {
    expect(describeStop(2, due, outcomes)).toMatchInlineSnapshot(`
      "wave 2 stops here, and no merchant of a later wave was changed:
      - coral, job x: failed
      - coral, job y: 1 item
      - dahlia, job y: 2 items
      way out: repair what failed, and run up again: it goes on with this wave; look at app.job_quarantine; the next up takes the items that are there as known, and goes on. Merchants that passed are not run again."
    `);
    expect(describeStop(2, due, [outcome("dahlia", { quarantined: ["2 items"] })])).not.toContain("repair");
  });

  test("remembers who passed, and not who failed", () => {
    expect(passedMembers(members, before, outcomes)).toEqual({
      acme: member("1"),
      bluebird: member("1"),
      dahlia: member("1", { quarantined: true }),
    });
  });

  test("goes on over a quarantine that was told before, and then forgets it; a failure stops it still", () => {
    const told = passedMembers(members, before, outcomes);
    const again = dueMembers(members, told);
    expect(again.map(({ merchant }) => merchant)).toEqual(["coral", "dahlia"]);
    const quarantined = outcome("dahlia", { quarantined: ["2 items"] });
    expect(describeStop(2, again, [outcome("coral"), quarantined])).toBeUndefined();
    expect(passedMembers(members, told, [outcome("coral", { failures: ["x"] }), quarantined])).toEqual({
      acme: member("1"),
      bluebird: member("1"),
      dahlia: member("1"),
    });
    expect(describeStop(2, again, [outcome("dahlia", { failures: ["x"] })])).toContain("- x");
  });
});
