import { describe, expect, test } from "vitest";
import { nextDue } from "../../../spec/due.ts";
import { parseSchedule, type CronSchedule, type Schedule } from "../../../spec/schedule.ts";
import { casesInGmt, casesInZone, firstTimesInGmt, ZONES } from "../../due-times.ts";
import { schedules } from "../../schedules.ts";

function schedule(text: string): Schedule {
  const parsed = parseSchedule(text);
  if (parsed.kind === "problem") throw new Error(`${text}: ${parsed.reason}`);
  return parsed;
}

const inFiveFields = schedules
  .filter((row) => row.accepted)
  .map(({ text }) => schedule(text))
  .filter((one): one is CronSchedule => one.kind === "cron");

/** Goes from one due time to the next. */
function chain(one: Schedule, timezone: string, after: number, howMany: number): readonly string[] {
  const found: string[] = [];
  let at: Date | undefined = new Date(after);
  while (found.length < howMany) {
    at = nextDue(one, timezone, at);
    if (at === undefined) break;
    found.push(at.toISOString());
  }
  return found;
}

/** Five fields of every kind that differ in what they restrict; with the table of schedules more than 200. */
const CROSSED = ["*", "7", "*/7", "3-50/11", "0,30"].flatMap((minute) =>
  ["*", "2", "*/5", "22-23"].flatMap((hour) =>
    [
      ["*", "*", "*"],
      ["31", "*", "*"],
      ["*/10", "*", "1"],
      ["13", "*", "5"],
      ["1-7", "*", "*/2"],
      ["29", "2", "*"],
      ["*", "1,12", "sat,sun"],
      ["$", "*", "*"],
    ].map((days) => schedule([minute, hour, ...days].join(" ")) as CronSchedule),
  ),
);

describe("in GMT", () => {
  const all = [...inFiveFields, ...CROSSED];

  test("the table has at least 200 schedules", () => {
    expect(new Set(all.map(({ text }) => text)).size).toBeGreaterThanOrEqual(200);
  });

  test("the next 50 times of every schedule are those at which pg_cron runs it", () => {
    const after = Date.parse("2027-12-24T21:47:13.250Z");
    for (const one of all) {
      const expected = firstTimesInGmt(one, after, 50);
      expect(chain(one, "GMT", after, 50).slice(0, expected.length), one.text).toEqual(expected);
      expect(expected.length, one.text).toBeGreaterThan(0);
    }
  });

  test("what was due last is next a moment before", () => {
    for (const one of inFiveFields) {
      for (const { now, expected } of casesInGmt(one)) {
        if (expected === undefined) continue;
        expect(nextDue(one, "GMT", new Date(expected - 1))?.getTime(), one.text).toBe(expected);
        const after = nextDue(one, "GMT", new Date(expected))?.getTime();
        expect(after === undefined || after > now, `${one.text} at ${new Date(now).toISOString()}`).toBe(true);
      }
    }
  });

  test.for([
    ["0 0 29 2 *", "2096-02-29T00:00Z", "2104-02-29T00:00Z"],
    ["59 23 $ 2 *", "2100-02-28T23:58:59Z", "2100-02-28T23:59Z"],
    ["0 0 1 1 *", "2026-01-01T00:00Z", "2027-01-01T00:00Z"],
    ["0 0 1 1 *", "2025-12-31T23:59:59.999Z", "2026-01-01T00:00Z"],
    ["* * * * *", "2026-01-01T00:00:59.999Z", "2026-01-01T00:01Z"],
  ] as const)("%s after %s", ([text, after, due]) => {
    expect(nextDue(schedule(text), "GMT", new Date(after))).toEqual(new Date(due));
  });

  test("what is not due for nine years has no next time", () => {
    // 29 February is a Sunday in 2004 and in 2032.
    expect(nextDue(schedule("0 0 29 2 */7"), "GMT", new Date("2004-03-01T00:00Z"))).toBeUndefined();
  });

  test("a schedule of seconds is due one interval later", () => {
    expect(nextDue(schedule("30 seconds"), "GMT", new Date(60_500))).toEqual(new Date(90_500));
  });
});

describe("in a time zone", () => {
  test.for(ZONES)("%s: once for each local day, over 20 years of changes", (zone) => {
    const cases = casesInZone(zone);
    const answers = cases
      .filter(({ now, expected }) => now === expected)
      .map(
        ({ text, now }) => [text, nextDue(schedule(text), zone, new Date(now - 60_000))?.toISOString(), now] as const,
      );
    expect(answers.map(([text, due]) => [text, due])).toEqual(
      answers.map(([text, , now]) => [text, new Date(now).toISOString()]),
    );
  });

  test.for([
    ["30 2 * * *", "America/New_York", "2026-03-07T12:00Z", "2026-03-08T07:30Z"],
    ["30 1 * * *", "America/New_York", "2026-11-01T05:30Z", "2026-11-02T06:30Z"],
    ["0 9 * * *", "Pacific/Apia", "2011-12-29T19:00Z", "2011-12-30T19:00Z"],
    ["0 9 * * *", "Pacific/Apia", "2011-12-30T19:00Z", "2011-12-31T19:00Z"],
    ["0 0 * * *", "America/St_Johns", "2010-11-07T02:31Z", "2010-11-08T03:30Z"],
  ] as const)("%s in %s after %s", ([text, zone, after, due]) => {
    expect(nextDue(schedule(text), zone, new Date(after))).toEqual(new Date(due));
  });
});
