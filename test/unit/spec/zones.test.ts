import { describe, expect, test } from "vitest";
import { lastDue } from "../../../spec/due.ts";
import { type CronSchedule, parseSchedule } from "../../../spec/schedule.ts";
import { parseStack } from "../../../spec/stack.ts";
import { inZone, parseTimezone } from "../../../spec/zones.ts";
import { ZONES } from "../../due-times.ts";
import { refuse } from "./refuse.ts";

const cells = { home: { kind: "local" } };
const DAY = 86_400_000;

function cron(text: string): CronSchedule {
  const parsed = parseSchedule(text);
  if (parsed.kind !== "cron") throw new Error(`${text} has no five fields`);
  return parsed;
}

test.for([
  ["America/New_York", "America/New_York"],
  ["America/Argentina/Buenos_Aires", "America/Argentina/Buenos_Aires"],
  ["US/Eastern", "US/Eastern"],
  ["Etc/GMT+5", "Etc/GMT+5"],
  ["Asia/Kolkata", "Asia/Kolkata"],
  ["Asia/Calcutta", "Asia/Calcutta"],
  ["GMT", "GMT"],
  ["UTC", "GMT"],
  ["Etc/UTC", "GMT"],
  ["America/new york", undefined],
  ["america/new_york", undefined],
  ["Mars/Olympus_Mons", undefined],
  ["EST", undefined],
  ["CET", undefined],
  ["+05:30", undefined],
  ["", undefined],
] as const)("%s is the time zone %s", ([text, timezone]) => {
  expect(parseTimezone(text)).toBe(timezone);
});

describe("the schedule in GMT", () => {
  test.for([
    ["30 2 * * *", "America/New_York", "30 6,7 * * *"],
    ["0 2 * * *", "Asia/Kolkata", "30 20 * * *"],
    ["0 0 * * *", "Europe/London", "0 0,23 * * *"],
    ["@daily", "Asia/Tokyo", "0 15 * * *"],
    // Half an hour between summer and winter: four times for two.
    ["45 2 * * *", "Australia/Lord_Howe", "15,45 15,16 * * *"],
    ["15 2 * * *", "Australia/Lord_Howe", "15,45 15 * * *"],
    ["0 2 * * *", "Antarctica/Troll", "0 0,2 * * *"],
  ] as const)("of %s in %s is %s", ([text, zone, schedule]) => {
    expect(inZone(cron(text), zone)).toEqual({ kind: "local", schedule });
  });

  test.for(ZONES)("fires at every instant at which a daily job in %s is due, for 20 years", (zone) => {
    for (const text of ["0 0 * * *", "30 2 * * *"]) {
      const zoned = inZone(cron(text), zone);
      const { minutes, hours } = cron(zoned.kind === "local" ? zoned.schedule : "");
      for (let now = Date.UTC(2025, 0, 3); now < Date.UTC(2045, 0, 1); now += 3 * DAY) {
        const due = lastDue(cron(text), zone, new Date(now));
        expect(minutes.includes(due!.getUTCMinutes()) && hours.includes(due!.getUTCHours()), due!.toISOString()).toBe(
          true,
        );
      }
    }
  });

  test.for(["*/5 * * * *", "7 * * * *", "@hourly", "30 seconds"])("of %s is itself", (text) => {
    const schedule = parseSchedule(text);
    expect(schedule.kind === "problem" || inZone(schedule, "America/New_York").kind).toBe("everywhere");
  });

  test.for(["0 2 * * 1", "0 2 1 * *", "0 2 $ * *", "0 2,14 * * *", "*/5 9-17 * * *", "0,30 2 * * *"])(
    "of %s is refused",
    (text) => {
      expect(inZone(cron(text), "America/New_York").kind).toBe("problem");
    },
  );
});

describe("a merchant in a time zone", () => {
  test("has its daily jobs at local time, spread there, and the others in GMT", () => {
    const merchants = { acme: { timezone: "America/New_York", jobs: { lot_expiry: { spread: "45m" } } } };
    const [acme] = parseStack({ cells, merchants }).merchants;
    const shown = Object.values(acme?.jobs ?? {}).map(({ name, schedule, due, timezone }) => {
      return [name, schedule, due, timezone];
    });
    expect(acme?.timezone).toBe("America/New_York");
    expect(shown).toEqual([
      ["ops_cleanup", "*/5 * * * *", "*/5 * * * *", "GMT"],
      ["lot_expiry", "29 6,7 * * *", "29 2 * * *", "America/New_York"],
      ["idempotency_cleanup", "0 7,8 * * *", "0 3 * * *", "America/New_York"],
      ["history_cleanup", "30 7,8 * * *", "30 3 * * *", "America/New_York"],
      ["catch_up", "*/15 * * * *", "*/15 * * * *", "GMT"],
    ]);
  });

  test("by another name of GMT has what a merchant without one has", () => {
    const [acme, bluebird] = parseStack({
      cells,
      merchants: { acme: { timezone: "Etc/UTC" }, bluebird: {} },
    }).merchants;
    expect(acme?.jobs).toEqual(bluebird?.jobs);
  });

  test.for([
    ["America/NewYork", "did you mean America/New_York?"],
    ["Nowhere/At_All_On_Earth", "write it as America/New_York, or leave it out for GMT"],
    [5, "write it as America/New_York, or leave it out for GMT"],
  ] as const)("%s is refused", ([timezone, fix]) => {
    const { problems } = refuse({ cells, merchants: { acme: { timezone } } });
    expect(problems).toMatchObject([{ path: "merchant-jobs:merchants.acme.timezone", value: timezone, fix }]);
  });

  test("cannot keep it in a schedule with days of its own", () => {
    const merchants = { acme: { timezone: "America/New_York", jobs: { lot_expiry: { schedule: "0 2 * * 1" } } } };
    expect(refuse({ cells, merchants }).problems).toMatchObject([
      {
        path: "merchant-jobs:merchants.acme.timezone",
        value: "America/New_York",
        rule: expect.stringContaining('does not go with the job lot_expiry: "0 2 * * 1"') as string,
      },
    ]);
  });
});
