import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { describeProblem } from "../../../spec/problems.ts";
import { leavers, rosterOf, rosterProblems, type Roster } from "../../../spec/roster.ts";
import { parseStack } from "../../../spec/stack.ts";

const acme = { cell: "home", database: "merchant_acme" };
const zed = { cell: "home", database: "merchant_zed" };

describe("a merchant", () => {
  test("that vanished is a problem, with the reason and the ways to go on", () => {
    expect(rosterProblems({ acme, zed }, { zed }).map(describeProblem).join("\n")).toMatchInlineSnapshot(`
      "- merchant-jobs:merchants.acme
          is gone, but its database merchant_acme on the cell home holds its data: a merchant is not removed by removing its line
          way out: put the line back; to pause its jobs write suspended: true; a merchant that leaves is offboarded (docs/offboarding.md); if the id was mistyped and nothing of it exists yet: npm run recover -- --forget acme"
    `);
  });

  test("that moved to another cell is a problem", () => {
    const problems = rosterProblems({ acme }, { acme: { ...acme, cell: "eu-1" } });
    expect(problems.map(describeProblem).join("\n")).toMatchInlineSnapshot(`
      "- merchant-jobs:merchants.acme = {"cell":"eu-1","database":"merchant_acme"}
          lives in the database merchant_acme on the cell home: an empty one would be made elsewhere, and its data would stay behind
          way out: put back cell: home and database: merchant_acme; data is moved by a person, not by this program"
    `);
  });

  test("that moved to another database is a problem", () => {
    expect(rosterProblems({ acme }, { acme: { ...acme, database: "acme" } })).toMatchObject([
      { path: "merchant-jobs:merchants.acme", value: { cell: "home", database: "acme" } },
    ]);
  });

  test("that is new is none", () => {
    expect(rosterProblems({ acme }, { acme, zed })).toEqual([]);
    expect(rosterProblems({}, { acme })).toEqual([]);
  });

  test("that has a name of every object is remembered like any other", () => {
    expect(rosterProblems({ constructor: acme }, {})).toMatchObject([
      { rule: expect.stringMatching(/^is gone/) as string },
    ]);
    expect(rosterProblems({}, { constructor: acme })).toEqual([]);
  });
});

describe("a merchant that leaves", () => {
  const leaving = { ...acme, offboard: "export" } as const;
  const dropping = { ...acme, offboard: "drop" } as const;

  test("is none, exported or taken back, or dropped after an up of its own", () => {
    expect(rosterProblems({ acme }, { acme: leaving })).toEqual([]);
    expect(rosterProblems({ acme: leaving }, { acme })).toEqual([]);
    expect(rosterProblems({ acme: leaving }, { acme: dropping })).toEqual([]);
    expect(rosterProblems({ acme: dropping }, { acme: dropping })).toEqual([]);
  });

  test.for<[string, Roster]>([
    ["a merchant", { acme }],
    ["nothing", {}],
  ])("cannot be dropped after %s", ([, before]) => {
    expect(rosterProblems(before, { acme: dropping, zed }).map(describeProblem).join("\n")).toMatchInlineSnapshot(`
      "- merchant-jobs:merchants.acme.offboard.drop = true
          has no export of an earlier up to rely on: what is dropped is exported first, in an up of its own
          way out: take drop and confirm out, run up, look at the export, and put them back"
    `);
  });

  test("cannot vanish before it is dropped; afterwards its cell is asked whether it is gone", () => {
    expect(rosterProblems({ acme: leaving }, {})).toMatchObject([
      { fix: expect.stringContaining("drop: true and confirm, in an up of its own") as string },
    ]);
    expect(rosterProblems({ acme: dropping }, {})).toEqual([]);
    expect(leavers({ acme: dropping, zed: leaving }, { zed: leaving })).toEqual([{ id: "acme", ...dropping }]);
    expect(leavers({ acme: dropping }, { acme: dropping })).toEqual([]);
  });
});

test("each merchant that vanished or moved is one problem, in the order of ids, and no other merchant is one", () => {
  const places = fc.record({ cell: fc.constantFrom("a", "b"), database: fc.constantFrom("x", "y") });
  const rosters = fc.dictionary(fc.constantFrom("one", "two", "three", "four"), places) as fc.Arbitrary<Roster>;
  fc.assert(
    fc.property(rosters, rosters, (before, after) => {
      const expected = Object.keys(before)
        .filter((id) => before[id]?.cell !== after[id]?.cell || before[id]?.database !== after[id]?.database)
        .sort()
        .map((id) => `merchant-jobs:merchants.${id}`);
      expect(rosterProblems(before, after).map(({ path }) => path)).toEqual(expected);
    }),
  );
});

test("the roster of a stack says where each merchant lives, and pausing or rescheduling does not change it", () => {
  const cells = { home: { kind: "local" } };
  const before = rosterOf(parseStack({ cells, merchants: { acme: {}, zed: {} } }));
  const after = rosterOf(parseStack({ cells, merchants: { zed: { suspended: true }, acme: { cell: "home" } } }));
  expect(before).toEqual({ acme, zed });
  expect(rosterProblems(before, after)).toEqual([]);
});
