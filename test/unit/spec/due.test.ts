import { describe, expect, test } from "vitest";
import { lastDue } from "../../../spec/due.ts";
import { parseSchedule, type CronSchedule, type Schedule } from "../../../spec/schedule.ts";
import { casesInGmt, casesInZone, compared, type DueCase, periodsOf, YEARS, ZONES } from "../../due-times.ts";
import { schedules } from "../../schedules.ts";

function schedule(text: string): Schedule {
  const parsed = parseSchedule(text);
  if (parsed.kind === "problem") throw new Error(`${text}: ${parsed.reason}`);
  return parsed;
}

const accepted = schedules.filter((row) => row.accepted).map(({ text }) => schedule(text));
const inFiveFields = accepted.filter((one): one is CronSchedule => one.kind === "cron");

function check(cases: readonly DueCase[]): void {
  const answers = cases.map((one) => compared(one, lastDue(schedule(one.text), one.timezone, new Date(one.now))));
  expect(answers.map(({ is }) => is)).toEqual(answers.map(({ should }) => should));
}

describe("in GMT", () => {
  test.for(inFiveFields.map((one) => [one.text, one] as const))("%s was due when pg_cron runs it", ([, one]) => {
    check(casesInGmt(one));
  });

  test.for([
    ["0 0 29 2 *", "2103-06-01T00:00Z", "2096-02-29T00:00Z"],
    ["0 0 29 2 *", "2104-02-28T23:59Z", "2096-02-29T00:00Z"],
    ["59 23 $ 2 *", "2101-02-28T23:58Z", "2100-02-28T23:59Z"],
    ["0 0 1 1 *", "2026-12-31T23:59:59.999Z", "2026-01-01T00:00Z"],
    ["0 0 1 1 *", "2027-01-01T00:00Z", "2027-01-01T00:00Z"],
  ] as const)("%s was due before %s", ([text, now, due]) => {
    expect(lastDue(schedule(text), "GMT", new Date(now))).toEqual(new Date(due));
  });

  test("what has not been due for nine years has no last time", () => {
    // 29 February is a Sunday in 2004 and in 2032.
    expect(lastDue(schedule("0 0 29 2 */7"), "GMT", new Date("2026-06-01T00:00Z"))).toBeUndefined();
    expect(lastDue(schedule("0 0 29 2 */7"), "GMT", new Date("2032-06-01T00:00Z"))).toEqual(new Date("2032-02-29"));
  });

  test("a schedule of seconds was due one interval ago", () => {
    expect(lastDue(schedule("30 seconds"), "GMT", new Date(60_500))).toEqual(new Date(30_500));
  });
});

describe("in a time zone", () => {
  test.for(ZONES)("%s: once for each local day, over 20 years of changes", (zone) => {
    const cases = casesInZone(zone);
    check(cases);
    // Two zones never change; the others show that the table is not empty.
    expect(cases.length > 0).toBe(periodsOf(zone).length > 1);
  });

  test.for([
    // New York, 8 March 2026: the clocks go from 02:00 to 03:00.
    ["30 2 * * *", "America/New_York", "2026-03-08T12:00Z", "2026-03-08T07:30Z"],
    // 1 November 2026: 01:30 comes twice, at 05:30 and 06:30.
    ["30 1 * * *", "America/New_York", "2026-11-01T06:45Z", "2026-11-01T05:30Z"],
    // Lord Howe, 5 April 2026: from 02:00 back to 01:30.
    ["45 1 * * *", "Australia/Lord_Howe", "2026-04-04T15:20Z", "2026-04-04T14:45Z"],
    // Apia, where 29 December 2011 was followed by the 31st: both days' times are one instant.
    ["0 9 * * *", "Pacific/Apia", "2011-12-30T18:59Z", "2011-12-29T19:00Z"],
    ["0 9 * * *", "Pacific/Apia", "2011-12-30T19:00Z", "2011-12-30T19:00Z"],
    ["0 9 * * *", "Pacific/Apia", "2011-12-31T18:59Z", "2011-12-30T19:00Z"],
    // St John's, 7 November 2010: a minute after midnight back to 23:01 of the day before.
    ["0 0 * * *", "America/St_Johns", "2010-11-07T02:45Z", "2010-11-07T02:30Z"],
  ] as const)("%s in %s at %s", ([text, zone, now, due]) => {
    expect(lastDue(schedule(text), zone, new Date(now))).toEqual(new Date(due));
  });

  test("the years have changes enough to mean something", () => {
    const changes = ZONES.map((zone) => periodsOf(zone).length - 1);
    expect(changes.filter((count) => count >= 20).length).toBeGreaterThan(10);
    expect(YEARS.to - YEARS.from).toBeGreaterThan(19.9 * 365 * 86_400_000);
  });
});
