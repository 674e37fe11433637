import { describe, expect, test } from "vitest";
import { type CronSchedule, parseSchedule, type Schedule } from "../../../spec/schedule.ts";
import { parseSpread, spreadProblem, spreadSchedule } from "../../../spec/spread.ts";
import { parseStack } from "../../../spec/stack.ts";

function schedule(text: string): Schedule {
  const parsed = parseSchedule(text);
  if (parsed.kind === "problem") throw new Error(`${text}: ${parsed.reason}`);
  return parsed;
}

function cron(text: string): CronSchedule {
  const parsed = schedule(text);
  if (parsed.kind !== "cron") throw new Error(`${text} is an interval`);
  return parsed;
}

const ids = Array.from({ length: 1000 }, (_, i) => `shop_${i}`);

test.for([
  ["0m", 0],
  ["45m", 45],
  ["2h", 120],
  ["24h", 1440],
  ["1440m", 1440],
  ["1441m", undefined],
  ["25h", undefined],
  ["45", undefined],
  ["-5m", undefined],
  ["1.5h", undefined],
  ["1d", undefined],
  ["", undefined],
] as const)("a spread of %s is %s minutes", ([text, minutes]) => {
  expect(parseSpread(text)).toBe(minutes);
});

describe("one time of day", () => {
  test("moves forward by less than the spread, and keeps its days as they are written", () => {
    for (const id of ids.slice(0, 100)) {
      const moved = cron(spreadSchedule(schedule("30 2 1-7 */2 mon"), 45, id, "lot_expiry"));
      const minute = moved.hours[0]! * 60 + moved.minutes[0]!;
      expect(minute).toBeGreaterThanOrEqual(150);
      expect(minute).toBeLessThan(195);
      expect(moved.fields.slice(2)).toEqual(["1-7", "*/2", "mon"]);
    }
  });

  test("uses every minute of the spread, and none much more than others", () => {
    const times = ids.map((id) => spreadSchedule(schedule("0 2 * * *"), 60, id, "lot_expiry"));
    const counts = Map.groupBy(times, (text) => text);
    expect(counts.size).toBe(60);
    // 1,000 merchants in 60 minutes are 17 each; that one has 40 by chance comes less than once in 100,000 hashes.
    expect(Math.max(...[...counts.values()].map((all) => all.length))).toBeLessThan(40);
  });

  test("depends on merchant and job alone, and not on the program's version", () => {
    const at = (merchant: string, job: string) => spreadSchedule(schedule("0 2 * * *"), 45, merchant, job);
    expect([at("acme", "lot_expiry"), at("bluebird", "lot_expiry"), at("acme", "idempotency_cleanup")]).toEqual([
      "29 2 * * *",
      "35 2 * * *",
      "5 2 * * *",
    ]);
  });

  test("may go on after midnight when every day has it", () => {
    const times = ids.map((id) => cron(spreadSchedule(schedule("45 23 * * *"), 30, id, "lot_expiry")));
    expect(new Set(times.map(({ hours }) => hours[0]))).toEqual(new Set([23, 0]));
    expect(spreadProblem(schedule("@daily"), 1440)).toBeUndefined();
    expect(spreadSchedule(schedule("@daily"), 1, "acme", "lot_expiry")).toBe("0 0 * * *");
  });

  test("must not reach another day when its fields name days", () => {
    expect(spreadProblem(schedule("45 23 * * 1-5"), 15)).toBeUndefined();
    expect(spreadProblem(schedule("45 23 * * 1-5"), 16)).toMatchObject({
      rule: 'would carry "45 23 * * 1-5" over midnight, to a day that its fields do not name',
      fix: "make it at most 15m, or let the schedule begin earlier",
    });
    expect(spreadProblem(schedule("0 23 $ * *"), 61)).toBeDefined();
    expect(spreadProblem(schedule("0 23 1 * *"), 61)).toBeDefined();
  });
});

describe("steps of minutes", () => {
  test("get an offset within the step, whatever the spread", () => {
    const offsets = (text: string, spread: number) =>
      new Set(ids.map((id) => spreadSchedule(schedule(text), spread, id, "ops_cleanup")));
    expect(offsets("*/5 * * * *", 45)).toEqual(
      new Set(["*/5 * * * *", "1-59/5 * * * *", "2-59/5 * * * *", "3-59/5 * * * *", "4-59/5 * * * *"]),
    );
    expect(offsets("*/15 9-17 * * 1-5", 2)).toEqual(new Set(["*/15 9-17 * * 1-5", "1-59/15 9-17 * * 1-5"]));
  });

  test("run as often as before", () => {
    for (const id of ids.slice(0, 50)) {
      expect(cron(spreadSchedule(schedule("*/15 * * * *"), 15, id, "catch_up")).minutes).toHaveLength(4);
    }
  });
});

test.for(["30 seconds", "* * * * *", "*/7 * * * *", "0 2,14 * * *", "0,30 2 * * *", "0 * * * *", "2-59/5 * * * *"])(
  "%s cannot be spread",
  (text) => {
    expect(spreadProblem(schedule(text), 45)?.rule).toContain("cannot spread");
    expect(spreadProblem(schedule(text), 0)).toBeUndefined();
    expect(spreadSchedule(schedule(text), 0, "acme", "lot_expiry")).toBe(text);
  },
);

test("a merchant's minute does not change when others come and go", () => {
  const minutes = (ids: readonly string[]) => {
    const merchants = Object.fromEntries(ids.map((id) => [id, {}]));
    const stack = parseStack({
      cells: { home: { kind: "local" } },
      merchants,
      jobs: { lot_expiry: { spread: "45m" } },
    });
    return stack.merchants.map(({ id, jobs }) => [id, jobs["lot_expiry"]?.schedule]);
  };
  const all = new Map(minutes(["acme", "bluebird", "coral", "dahlia"]) as [string, string][]);
  expect(new Set(all.values()).size).toBeGreaterThan(1);
  for (const [id, minute] of minutes(["bluebird", "dahlia"])) expect(all.get(id!)).toBe(minute);
});
