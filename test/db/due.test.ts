import type pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dueScheduleOf } from "../../spec/due.ts";
import { parseSchedule } from "../../spec/schedule.ts";
import { inZone } from "../../spec/zones.ts";
import { casesInGmt, casesInZone, compared, type DueCase, ZONES } from "../due-times.ts";
import { filesOf, makeDatabase, prepareCell, specOf, targetsOf } from "../merchants.ts";
import { applyMigrations } from "../../converge/migrations.ts";
import { schedules } from "../schedules.ts";
import { dropMerchantLeftovers, freshName, superuserClient } from "../server.ts";

const prefix = freshName("due");
let client: pg.Client;

beforeAll(async () => {
  await prepareCell();
  const spec = specOf(prefix);
  const { migrations } = targetsOf(spec);
  await makeDatabase(spec);
  await applyMigrations(migrations, filesOf(migrations));
  client = await superuserClient(spec.database);
  // Neither may matter: a day that is not 24 hours long, and days written in another order.
  await client.query("set timezone = 'America/New_York'; set datestyle = 'sql, dmy'");
});
afterAll(async () => {
  await client.end();
  await dropMerchantLeftovers(`merchant_${prefix}`);
});

function parsed(text: string) {
  const schedule = parseSchedule(text);
  if (schedule.kind === "problem") throw new Error(`${text}: ${schedule.reason}`);
  return schedule;
}

/** Asks about all cases in one statement; instants go in whole milliseconds, as the cases have them. */
async function check(cases: readonly DueCase[]): Promise<void> {
  const found = await client.query<{ due: string | null }>(
    `select (extract(epoch from app.last_due_of(c.schedule::jsonb, c.timezone,
         to_timestamp(0) + c.now * interval '1 millisecond')) * 1000)::bigint as due
     from unnest($1::text[], $2::text[], $3::bigint[]) with ordinality as c (schedule, timezone, now, place)
     order by c.place`,
    [
      cases.map(({ text }) => JSON.stringify(dueScheduleOf(parsed(text)))),
      cases.map(({ timezone }) => timezone),
      cases.map(({ now }) => now),
    ],
  );
  const answers = cases.map((one, i) => {
    const due = found.rows[i]?.due;
    return compared(one, due == null ? undefined : new Date(Number(due)));
  });
  expect(answers.map(({ is }) => is)).toEqual(answers.map(({ should }) => should));
}

test.for([
  "America/New_York",
  "America/Santiago",
  "Europe/London",
  "Australia/Lord_Howe",
  "Pacific/Chatham",
  "Antarctica/Troll",
])("of what a crontab starts in %s, exactly one for each local day is at a due time", async (zone) => {
  for (const text of ["0 2 * * *", "30 2 * * *", "45 1 * * *", "@daily"]) {
    const local = parsed(text);
    const zoned = inZone(local, zone);
    const schedule = zoned.kind === "local" ? zoned.schedule : "";
    const found = await client.query<{ starts: number; at: number; due: number; days: number }>(
      `with fields as (
         select string_to_array(split_part($1, ' ', 1), ',')::integer[] as minutes,
           string_to_array(split_part($1, ' ', 2), ',')::integer[] as hours
       ), starts as (
         select (d + make_time(h, m, 0)) at time zone 'GMT' as start
         from fields, generate_series(timestamp '2023-01-02', '2023-12-30', '1 day') as d, unnest(hours) as h,
           unnest(minutes) as m
       ), looked as (
         select start, app.last_due_of($2::jsonb, $3, start) as due from starts
       )
       select count(*)::integer as starts, count(*) filter (where start = due)::integer as at,
         count(distinct due) filter (where due >= '2023-01-02 00:00+00')::integer as due, 363 as days
       from looked`,
      [schedule, JSON.stringify(dueScheduleOf(local)), zone],
    );
    const [{ starts, at, due, days }] = found.rows as [(typeof found.rows)[0]];
    expect([at, due], text).toEqual([days, days]);
    expect(starts, text).toBeGreaterThan(days);
  }
});

describe("app.last_due_of", () => {
  const inFiveFields = schedules
    .filter((row) => row.accepted)
    .map(({ text }) => parsed(text))
    .filter((schedule) => schedule.kind === "cron");

  test("knows when pg_cron runs every schedule of the table", async () => {
    const cases = inFiveFields.flatMap(casesInGmt);
    expect(cases.length).toBeGreaterThan(3000);
    await check(cases);
  });

  test.for(ZONES)("%s: once for each local day, over 20 years of changes", async (zone) => {
    await check(casesInZone(zone));
  });

  test("over the years that are no leap years, and when there is nothing to find", async () => {
    const at = (text: string, now: string, due?: string): DueCase => ({
      text,
      timezone: "GMT",
      now: Date.parse(now),
      since: Number.NEGATIVE_INFINITY,
      expected: due === undefined ? undefined : Date.parse(due),
    });
    await check([
      at("0 0 29 2 *", "2103-06-01T00:00Z", "2096-02-29T00:00Z"),
      at("59 23 $ 2 *", "2101-02-28T23:58Z", "2100-02-28T23:59Z"),
      at("0 0 29 2 */7", "2026-06-01T00:00Z"),
      at("0 0 29 2 */7", "2032-06-01T00:00Z", "2032-02-29T00:00Z"),
      at("30 seconds", "2026-06-01T00:00:10Z", "2026-05-31T23:59:40Z"),
    ]);
  });
});
