import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseSchedule, type CronSchedule, type Schedule } from "../../../spec/schedule.ts";
import { schedules } from "../../schedules.ts";

const upTo = (high: number, low = 0) => Array.from({ length: high - low + 1 }, (_, index) => low + index);

function accept(text: string): Schedule {
  const schedule = parseSchedule(text);
  if (schedule.kind === "problem") throw new Error(`${JSON.stringify(text)} was refused: ${schedule.reason}`);
  return schedule;
}

function cron(text: string): CronSchedule {
  const schedule = accept(text);
  if (schedule.kind !== "cron") throw new Error(`${JSON.stringify(text)} is an interval`);
  return schedule;
}

describe("the table of schedules", () => {
  test.for(schedules)("$text: accepted is $accepted", ({ text, accepted, requires = "1.4", oursAlone = "syntax" }) => {
    const schedule = parseSchedule(text);
    expect(schedule).toMatchObject(accepted ? { text, requires } : { text, kind: "problem", code: oursAlone });
    expect(schedule.kind === "problem").toBe(!accepted);
  });

  test("has each text once, and at least 120 of them", () => {
    expect(new Set(schedules.map(({ text }) => text)).size).toBe(schedules.length);
    expect(schedules.length).toBeGreaterThanOrEqual(120);
  });
});

describe("the reason of a refusal names the field and what is wrong in it", () => {
  test.for([
    ["60 * * * *", "minute", "60 is not between 0 and 59"],
    ["0 mon * * *", "hour", '"mon" is not a number'],
    ["0 0 $,1 * *", "day of month", '"$" is not a number'],
    ["0 0 1 nov-feb *", "month", "the range 11-2 runs backwards (11-12,1-2 is a list that works)"],
    ["0 0 * * sat-sun", "day of week", "the range 6-0 runs backwards (6-7,0 is a list that works)"],
    ["0 23-5 * * *", "hour", "the range 23-5 runs backwards (23,0-5 is a list that works)"],
    ["0 2 * *", "day of week", "it is missing: a schedule has five fields"],
    ["5/10 * * * *", "minute", "a step needs * or a range before it, as in */5 or 10-50/5"],
    ["*/60 * * * *", "minute", "the step 60 is larger than 59"],
    ["0 0 30 2 *", "day of month", "none of its months has such a day"],
    [`${"9".repeat(30)}x * * * *`, "minute", '"99999999999999999999…" is not a number'],
    ["5 minutes", undefined, 'the only interval is "1 seconds" to "59 seconds" with nothing after it'],
    ["60 seconds", undefined, "an interval has 1 to 59 seconds"],
    ["@reboot", undefined, "@reboot runs when the server starts and has no due time"],
    ["@yearly", undefined, "@yearly never comes due from pg_cron 1.6 on"],
    ["@Daily", undefined, "no such @ word"],
    ["0 2\0 * * *", undefined, "it holds a NUL character"],
    ["", undefined, "it is empty"],
  ] as const)("%s", ([text, field, reason]) => {
    const problem = parseSchedule(text);
    expect(problem).toMatchObject({ kind: "problem", reason });
    expect("field" in problem ? problem.field : undefined).toBe(field);
  });

  test("the list that it proposes for a range that runs backwards is accepted", () => {
    expect(cron("0 23,0-5 * * *").hours).toEqual([0, 1, 2, 3, 4, 5, 23]);
    expect(cron("0 0 * * 6-7,0").daysOfWeek).toEqual([0, 6]);
  });
});

describe("a schedule of five fields becomes the sets of what fits", () => {
  const everything = {
    minutes: upTo(59),
    hours: upTo(23),
    daysOfMonth: upTo(31, 1),
    months: upTo(12, 1),
    daysOfWeek: upTo(6),
    domStar: true,
    dowStar: true,
    lastDayOfMonth: false,
  };

  test.for<readonly [string, Partial<CronSchedule>]>([
    ["* * * * *", {}],
    ["*5 */23 * * *", { hours: [0, 23] }],
    ["*/25 * * * *", { minutes: [0, 25, 50] }],
    ["10-50/20,7,7 * * * *", { minutes: [7, 10, 30, 50] }],
    ["10-12/50 * * * *", { minutes: [10] }],
    ["1-5-9 * * * *", { minutes: [1, 2, 3, 4, 5] }],
    ["4294967297 * * * *", { minutes: [1] }],
    ["* * * feb,DEC *", { months: [2, 12] }],
    ["* * * jan-dec/5 *", { months: [1, 6, 11] }],
    ["* * * * 7", { daysOfWeek: [0], dowStar: false }],
    ["* * * * fri-7", { daysOfWeek: [0, 5, 6], dowStar: false }],
    ["* * * * */5", { daysOfWeek: [0, 5] }],
    ["* * 13 * 5", { daysOfMonth: [13], domStar: false, daysOfWeek: [5], dowStar: false }],
    ["* * */31 * *", { daysOfMonth: [1] }],
    ["* * 1,* * *", { domStar: false }],
    ["* * *,1 * *", {}],
    ["* * $ * *", { daysOfMonth: [], domStar: false, lastDayOfMonth: true }],
    ["@monthly", { minutes: [0], hours: [0], daysOfMonth: [1], domStar: false }],
    ["@weekly", { minutes: [0], hours: [0], daysOfWeek: [0], dowStar: false }],
    ["@daily", { minutes: [0], hours: [0] }],
    ["@hourly", { minutes: [0] }],
  ])("%s", ([text, different]) => {
    expect(cron(text)).toMatchObject({ ...everything, ...different });
  });

  test.for([
    ["30 seconds", 30],
    ["4294967301 seconds", 5],
    ["-4294967286 seconds", 10],
  ] as const)("an interval becomes its seconds: %s", ([text, every]) => {
    expect(accept(text)).toEqual({ kind: "seconds", text, requires: "1.5", every });
  });
});

describe("for any text", () => {
  const alphabet = "0123456789*/-,$@# \t\n.xjanmonsecondsSUN";
  const nearSchedules = fc.string({ unit: fc.constantFrom(...Array.from(alphabet)), maxLength: 40 });

  test("parsing gives an answer about that text and never throws", () => {
    fc.assert(
      fc.property(fc.oneof(nearSchedules, fc.string({ unit: "binary" })), (text) => {
        expect(parseSchedule(text).text).toBe(text);
      }),
      { numRuns: 2000 },
    );
  });

  test("what is accepted has at least one minute, hour and month, in ascending order and within bounds", () => {
    const item = fc.oneof(
      fc.constant("*"),
      fc.nat({ max: 13 }).map(String),
      fc.tuple(fc.nat({ max: 6 }), fc.nat({ max: 13 }), fc.nat({ max: 9 })).map(([a, b, c]) => `${a}-${b}/${c}`),
      fc.nat({ max: 9 }).map((step) => `*/${step}`),
    );
    const field = fc.array(item, { minLength: 1, maxLength: 3 }).map((items) => items.join(","));
    fc.assert(
      fc.property(fc.array(field, { minLength: 5, maxLength: 5 }), (fields) => {
        const schedule = parseSchedule(fields.join(" "));
        fc.pre(schedule.kind === "cron");
        const { minutes, hours, daysOfMonth, months, daysOfWeek } = schedule;
        for (const [values, low, high] of [
          [minutes, 0, 59],
          [hours, 0, 23],
          [daysOfMonth, 1, 31],
          [months, 1, 12],
          [daysOfWeek, 0, 6],
        ] as const) {
          expect(values.length).toBeGreaterThan(0);
          expect(values).toEqual([...new Set(values)].sort((one, other) => one - other));
          expect(values.every((value) => value >= low && value <= high)).toBe(true);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test("blanks before, between and after the fields and a comment line above change nothing", () => {
    const rows = schedules.filter(({ text, accepted }) => accepted && /^[\d*][^\n]*$/.test(text) && text.length < 100);
    const blanks = fc.string({ unit: fc.constantFrom(" ", "\t"), minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(fc.constantFrom(...rows), blanks, ({ text }, blank) => {
        const plain = parseSchedule(text);
        fc.pre(plain.kind === "cron");
        const written = `# why\n${blank}${text.replaceAll(/[ \t]+/g, blank)}${blank}`;
        expect(parseSchedule(written)).toEqual({ ...plain, text: written });
      }),
    );
  });

  test("the case of names changes nothing", () => {
    const cases = fc.array(fc.boolean(), { minLength: 3, maxLength: 3 });
    const months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    fc.assert(
      fc.property(fc.constantFrom(...months), cases, (name, upper) => {
        const written = Array.from(name, (letter, index) => (upper[index] ? letter.toUpperCase() : letter)).join("");
        expect(cron(`0 0 1 ${written} *`).months).toEqual([months.indexOf(name) + 1]);
      }),
    );
  });
});
