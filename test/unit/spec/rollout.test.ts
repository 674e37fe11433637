import { describe, expect, test } from "vitest";
import { parseStack } from "../../../spec/stack.ts";
import { refuse } from "./refuse.ts";

const cells = { home: { kind: "local" } };
const merchants = { acme: {}, bluebird: {}, coral: {}, dahlia: {}, ebony: {} };
const wavesOf = (rollout?: unknown, of: object = merchants) => parseStack({ cells, merchants: of, rollout }).waves;

describe("waves", () => {
  test.each<readonly [string, unknown, unknown]>([
    ["nothing written", undefined, undefined],
    ["a rollout without waves", {}, undefined],
    [
      "rest as written",
      { waves: [["coral"], ["bluebird", "acme"], "rest"] },
      [["coral"], ["bluebird", "acme"], ["dahlia", "ebony"]],
    ],
    ["rest left out, which is last", { waves: [["coral"]] }, [["coral"], ["acme", "bluebird", "dahlia", "ebony"]]],
    ["rest first", { waves: ["rest", ["acme"]] }, [["bluebird", "coral", "dahlia", "ebony"], ["acme"]]],
    ["rest alone", { waves: ["rest"] }, [["acme", "bluebird", "coral", "dahlia", "ebony"]]],
    [
      "nobody left for rest",
      { waves: [["acme", "bluebird"], ["coral", "dahlia", "ebony"], "rest"] },
      [
        ["acme", "bluebird"],
        ["coral", "dahlia", "ebony"],
      ],
    ],
  ])("are read: %s", (_what, rollout, waves) => {
    expect(wavesOf(rollout)).toEqual(waves);
  });

  test("a merchant may be called rest: in brackets it is that merchant", () => {
    expect(wavesOf({ waves: [["rest"]] }, { rest: {}, acme: {} })).toEqual([["rest"], ["acme"]]);
  });

  test("hold every merchant once, whatever their order", () => {
    expect(
      wavesOf({ waves: [["dahlia", "acme"], "rest", ["coral"]] })
        ?.flat()
        .sort(),
    ).toEqual(Object.keys(merchants));
  });
});

test("everything that is wrong with waves is told at once, with its place as pulumi config takes it", () => {
  const waves = [["acme", "bluebrid", 5], [], "rest", ["acme", "zebra_24"], "rest", "coral", "rst", ["rest"], null];
  expect(refuse({ cells, merchants, rollout: { waves, wave: 1 } }).message).toMatchInlineSnapshot(`
    "The configuration has 11 problems. Nothing was changed.
    - merchant-jobs:rollout.wave
        is not a setting that exists
        way out: did you mean waves?
    - merchant-jobs:rollout.waves[0][1] = "bluebrid"
        is not a merchant of merchant-jobs:merchants
        way out: did you mean bluebird?
    - merchant-jobs:rollout.waves[0][2] = 5
        must be the id of a merchant, as text
        way out: write it as in merchant-jobs:merchants
    - merchant-jobs:rollout.waves[1] = []
        is empty: a wave has at least one merchant
        way out: name one, or take the wave out
    - merchant-jobs:rollout.waves[3][0] = "acme"
        is in wave 1 already
        way out: take one of the two out
    - merchant-jobs:rollout.waves[3][1] = "zebra_24"
        is not a merchant of merchant-jobs:merchants
        way out: write an id from merchant-jobs:merchants, or take it out
    - merchant-jobs:rollout.waves[4] = "rest"
        is wave 3 already
        way out: take one of the two out
    - merchant-jobs:rollout.waves[5] = "coral"
        must be a list of merchants, or rest
        way out: write it as [coral]
    - merchant-jobs:rollout.waves[6] = "rst"
        must be a list of merchants, or rest
        way out: did you mean rest?
    - merchant-jobs:rollout.waves[7][0] = "rest"
        is not a merchant of merchant-jobs:merchants
        way out: write rest as a wave of its own, without brackets
    - merchant-jobs:rollout.waves[8] = null
        must be a list of merchants, or rest
        way out: write it as [acme, bluebird], or as rest"
  `);
  const none = refuse({ cells, merchants, rollout: { waves: [] } });
  expect(none.problems).toMatchObject([{ path: "merchant-jobs:rollout.waves", value: [] }]);
  expect(refuse({ cells, merchants, rollout: [["acme"]] }).problems).toMatchObject([{ path: "merchant-jobs:rollout" }]);
});

test("a merchant that is wrong itself is no second problem of its wave", () => {
  const problems = refuse({ cells, merchants: { acme: { cell: "hom" } }, rollout: { waves: [["acme"]] } }).problems;
  expect(problems).toMatchObject([{ path: "merchant-jobs:merchants.acme.cell" }]);
});

describe("a suspended cell", () => {
  const server = { kind: "server", host: "db.example.com", admin: "a", credential: { env: "P" } };
  test("rests with all its merchants, and no others", () => {
    const stack = parseStack({
      cells: {
        home: { kind: "local", suspended: true },
        main: { ...server, suspended: false },
        eu: { ...server, host: "b", suspended: true },
      },
      merchants: {
        a: { cell: "home" },
        b: { cell: "main" },
        c: { cell: "main", suspended: true },
        d: { cell: "eu", suspended: false },
      },
    });
    expect(stack.merchants.map(({ id, suspended }) => [id, suspended])).toEqual([
      ["a", true],
      ["b", false],
      ["c", true],
      ["d", true],
    ]);
    expect(stack.cells["home"]).toEqual({ name: "home", kind: "local", scheduler: "pg_cron", suspended: true });
    expect(stack.cells["main"]).not.toHaveProperty("suspended");
  });

  test("is written as true or false", () => {
    for (const cell of [
      { kind: "local", suspended: "yes" },
      { ...server, suspended: 1 },
    ])
      expect(refuse({ cells: { home: cell }, merchants: {} }).problems).toMatchObject([
        { path: "merchant-jobs:cells.home.suspended" },
      ]);
  });
});
