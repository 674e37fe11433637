// What of a schedule surprises people, left to a real pg_cron for some minutes: it fires when nextDue says, and at no other
// time. The days in the schedules are made from today's, so that each of them would be due now, or not for days.
import { setTimeout as pause } from "node:timers/promises";
import type pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { nextDue } from "../../spec/due.ts";
import { parseSchedule } from "../../spec/schedule.ts";
import { budgetOf } from "../long-budget.ts";
import { type OwnServer, startOwnServer, superuserClient, waitFor } from "../server.ts";

const MINUTE = 60_000;
/** Full minutes that are watched. */
const MINUTES = Math.round(Math.min(3, Math.max(2, budgetOf(1 / 20) ?? 3)));
/** Milliseconds before a full minute that pg_cron takes at most to hear of its jobs. */
const ARMING = 10_000;
/** What a slow machine takes to start what is due in one minute. */
const PATIENCE = 60_000;

let own: OwnServer;
let client: pg.Client;
/** The minutes that are watched, and at which of them pg_cron fired, by schedule. */
let watched: readonly number[];
let fired: ReadonlyMap<string, readonly number[]>;

/** Schedules that are about the day that it is at `now`, in GMT. */
function schedulesOf(now: Date) {
  const day = now.getUTCDate();
  const weekday = now.getUTCDay();
  const [otherDay, otherWeekday] = [((day + 14) % 28) + 1, (weekday + 3) % 7];
  const month = now.getUTCMonth() + 1;
  return {
    dayOrWeekday: [
      `* * ${day} * ${otherWeekday}`,
      `* * ${otherDay} * ${weekday}`,
      `* * ${otherDay} * ${otherWeekday}`,
      `* * ${day} * ${weekday}`,
    ],
    // A star on one side makes both necessary, and a step over it is one, whatever it comes to.
    stars: [
      `* * * * ${otherWeekday}`,
      `* * ${otherDay} * *`,
      `* * */1 * ${otherWeekday}`,
      `* * 1-31 * ${otherWeekday}`,
      `* * ${otherDay} * */1`,
      `* * ${otherDay} * 0-7`,
      `* * ${day},${otherDay} * */7`,
      `* * */31 * ${weekday}`,
    ],
    steps: [
      "*/2 * * * *",
      "1-59/2 * * * *",
      "*/59 * * * *",
      "*/20,7 * * * *",
      "10-12/50 * * * *",
      "0-59/1 */1 */1 */1 */1",
    ],
    tails: [
      "*5 * * * *",
      `* * * * ${weekday}#2`,
      `* * * * ${otherWeekday}#2`,
      "* * * * * 99",
      "* * * * *+",
      "1-5-9 * * * *",
      `* ${now.getUTCHours()}. * * *`,
      `* * * ${month}. *`,
      `* * * ${(month % 12) + 1} *`,
    ],
  };
}

async function serverNow(): Promise<number> {
  const { rows } = await client.query<{ now: Date }>("select clock_timestamp() as now");
  return rows[0]!.now.getTime();
}

/** The watched minutes at which a schedule is due. */
function dueMinutes(text: string): readonly number[] {
  const schedule = parseSchedule(text);
  if (schedule.kind !== "cron") throw new Error(`${text} is no schedule of five fields`);
  return watched.filter((minute) => nextDue(schedule, "GMT", new Date(minute - 1))?.getTime() === minute);
}

/** From the first minute that is watched: the one in which the jobs are scheduled may still be going through pg_cron's hands. */
async function readFired(): Promise<ReadonlyMap<string, readonly number[]>> {
  const { rows } = await client.query<{ schedule: string; minute: Date }>(
    `select j.schedule, date_trunc('minute', d.start_time) as minute
     from cron.job_run_details as d join cron.job as j using (jobid)
     where j.jobname like 'watched-%' and d.start_time >= $1 order by d.runid`,
    [new Date(watched[0]!)],
  );
  const byText = Map.groupBy(rows, ({ schedule }) => schedule);
  return new Map([...byText].map(([text, all]) => [text, all.map(({ minute }) => minute.getTime())]));
}

beforeAll(
  async () => {
    own = await startOwnServer({});
    client = await superuserClient("cron", own.server);
    // A run that is late by a minute would count for the next one: all that is due at once starts at once.
    const rest = MINUTE - ((await serverNow()) % MINUTE);
    if (rest < ARMING) await pause(rest);
    const now = await serverNow();
    texts = Object.values(schedulesOf(new Date(now))).flat();
    await client.query(
      `select cron.schedule('watched-' || place, text, 'select 1')
     from unnest($1::text[]) with ordinality as t (text, place)`,
      [texts],
    );
    const first = (Math.floor(now / MINUTE) + 1) * MINUTE;
    watched = Array.from({ length: MINUTES }, (_, i) => first + i * MINUTE);
    const last = watched.at(-1)!;
    await pause(last - (await serverNow()));
    const expected = texts.reduce((sum, text) => sum + dueMinutes(text).length, 0);
    const runs = async () => [...(await readFired()).values()].flat().length;
    await waitFor(async () => (await runs()) >= expected, {
      what: "all that is due has been started",
      timeoutMs: PATIENCE,
    });
    // What pg_cron starts beyond that it starts in the same second.
    await pause(3_000);
    fired = await readFired();
    await client.query("select cron.unschedule(jobid) from cron.job where jobname like 'watched-%'");
  },
  (MINUTES + 1) * MINUTE + 2 * PATIENCE,
);
let texts: readonly string[] = [];

afterAll(async () => {
  await client.end();
  await own.remove();
});

test("pg_cron fires at the minutes that nextDue names, and at no other", () => {
  const iso = (minutes: readonly number[]) => minutes.map((minute) => new Date(minute).toISOString());
  const answers = (of: (text: string) => readonly number[]) =>
    Object.fromEntries(texts.map((text) => [text, iso(of(text))]));
  expect(answers((text) => fired.get(text) ?? [])).toEqual(answers(dueMinutes));
});

test("of the schedules about days some are due now and some are not", () => {
  const { dayOrWeekday, stars } = schedulesOf(new Date(watched[0]!));
  for (const about of [dayOrWeekday, stars]) {
    const due = about.filter((text) => (fired.get(text) ?? []).length > 0).length;
    expect(due).toBeGreaterThan(0);
    expect(due).toBeLessThan(about.length);
  }
});
