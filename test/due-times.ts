import type { CronSchedule } from "../spec/schedule.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A question to lastDue and its answer, found minute by minute; times in milliseconds. */
export interface DueCase {
  readonly text: string;
  readonly timezone: string;
  readonly now: number;
  /** Where the search began: what was due before is not known. */
  readonly since: number;
  /** Undefined: not due since then. */
  readonly expected: number | undefined;
}

/** The answer to a case that was given, and the one that was wanted, as texts to compare. */
export function compared(
  one: DueCase,
  answer: Date | null | undefined,
): { readonly is: string; readonly should: string } {
  const show = (due: number | undefined) =>
    `${one.text} in ${one.timezone} at ${new Date(one.now).toISOString()} was due ` +
    (due === undefined || due < one.since ? "long ago" : new Date(due).toISOString());
  return { is: show(answer?.getTime()), should: show(one.expected) };
}

/** Where GMT is searched: a leap day, the end of a year, and a February that is leap in no calendar but a naive one. */
const SPANS = [
  ["2028-02-10T00:00Z", "2028-03-10T00:00Z"],
  ["2025-12-20T00:00Z", "2026-01-10T00:00Z"],
  ["2100-02-20T00:00Z", "2100-03-10T00:00Z"],
] as const;

/** Questions about a schedule in GMT, which ShouldRunTask of pg_cron's src/pg_cron.c answers minute by minute. */
export function casesInGmt(schedule: CronSchedule): readonly DueCase[] {
  return SPANS.flatMap(([from, to]) => {
    const since = Date.parse(from);
    const end = Date.parse(to);
    const cases: DueCase[] = [];
    let last: number | undefined;
    const ask = (now: number) => cases.push({ text: schedule.text, timezone: "GMT", now, since, expected: last });
    // 37 hours and 41 minutes are in step with nothing that a schedule knows.
    let next = since + 41 * MINUTE + 7;
    for (let day = since; day < end; day += DAY) {
      const fits = isDayOf(schedule, new Date(day), new Date(day + DAY));
      for (let minute = 0; minute < DAY / MINUTE; minute += 1) {
        const instant = day + minute * MINUTE;
        if (fits && schedule.minutes.includes(minute % 60) && schedule.hours.includes(Math.floor(minute / 60))) {
          if (last === undefined) ask(instant - 1);
          const first = last === undefined;
          last = instant;
          if (first) ask(instant);
        }
        if (next < instant + MINUTE) {
          ask(next);
          next += 37 * HOUR + 41 * MINUTE;
        }
      }
    }
    return cases;
  });
}

/**
 * The first times after an instant at which ShouldRunTask runs a schedule, found minute by minute; fewer than asked for
 * where the search ends after nine years.
 */
export function firstTimesInGmt(schedule: CronSchedule, after: number, howMany: number): readonly string[] {
  const found: string[] = [];
  const first = Math.floor(after / DAY) * DAY;
  for (let day = first; day < first + 3300 * DAY; day += DAY) {
    if (!isDayOf(schedule, new Date(day), new Date(day + DAY))) continue;
    for (let minute = 0; minute < DAY / MINUTE; minute += 1) {
      const instant = day + minute * MINUTE;
      const fits = schedule.minutes.includes(minute % 60) && schedule.hours.includes(Math.floor(minute / 60));
      if (!fits || instant <= after) continue;
      found.push(new Date(instant).toISOString());
      if (found.length === howMany) return found;
    }
  }
  return found;
}

function isDayOf(schedule: CronSchedule, day: Date, tomorrow: Date): boolean {
  const isLast = schedule.lastDayOfMonth && tomorrow.getUTCDate() === 1;
  const dom = schedule.daysOfMonth.includes(day.getUTCDate()) || isLast;
  const dow = schedule.daysOfWeek.includes(day.getUTCDay());
  return (
    schedule.months.includes(day.getUTCMonth() + 1) && (schedule.domStar || schedule.dowStar ? dom && dow : dom || dow)
  );
}

/**
 * Zones whose clocks change at midnight, a minute after it, by half an hour, by two hours, by a whole day, for good, in
 * both directions within a month (Ramadan), or never; and years that every edition of the time zone database knows alike.
 */
export const ZONES = [
  "America/New_York",
  "America/Los_Angeles",
  "America/St_Johns",
  "America/Sao_Paulo",
  "America/Santiago",
  "America/Havana",
  "America/Caracas",
  "Antarctica/Troll",
  "Europe/London",
  "Europe/Dublin",
  "Europe/Moscow",
  "Africa/Casablanca",
  "Africa/Cairo",
  "Asia/Tehran",
  "Asia/Amman",
  "Asia/Pyongyang",
  "Asia/Kolkata",
  "Australia/Lord_Howe",
  "Pacific/Apia",
  "Pacific/Chatham",
] as const;
export const YEARS = { from: Date.UTC(2004, 0, 1), to: Date.UTC(2024, 0, 1) };

/** Times of day that changes of the clocks touch, and one that none does, as [hour, minute]. */
const TIMES = [
  [0, 0],
  [0, 30],
  [1, 15],
  [2, 0],
  [2, 30],
  [3, 0],
  [12, 0],
  [23, 45],
] as const;

/** Questions about daily times in a zone: around every change of its clocks, a minute before they are due and then. */
export function casesInZone(timezone: string): readonly DueCase[] {
  const periods = periodsOf(timezone);
  return periods.slice(1).flatMap(({ from: change }, i) => {
    const since = change - 2 * DAY;
    const shown = walk(periods.slice(i, i + 3), since, change + 2 * DAY);
    return TIMES.flatMap(([hour, minute]) => {
      const text = `${minute} ${hour} * * *`;
      const ofTime = shown.filter(({ local }) => (local - hour * HOUR - minute * MINUTE) % DAY === 0);
      const due = [...new Set(ofTime.map(({ instant }) => instant))].sort((one, other) => one - other);
      return due.flatMap((instant, j): readonly DueCase[] => [
        { text, timezone, now: instant - MINUTE, since, expected: due[j - 1] },
        { text, timezone, now: instant, since, expected: instant },
      ]);
    });
  });
}

/** A time in which a zone is ahead of GMT by the same. */
interface Period {
  readonly from: number;
  readonly offset: number;
}

/**
 * Goes minute by minute over a change of the clocks, and notes when they show each local time first. Minutes that they
 * pass over come as on clocks that nobody has changed.
 */
function walk(periods: readonly Period[], from: number, to: number) {
  const shown = new Map<number, number>();
  const note = (local: number, instant: number) => {
    if (!shown.has(local)) shown.set(local, instant);
  };
  let before: number | undefined;
  for (let instant = from; instant < to; instant += MINUTE) {
    const period = periods.findLast((one) => one.from <= instant);
    if (period === undefined) continue;
    const local = instant + period.offset;
    for (let missed = (before ?? local) + MINUTE; missed < local; missed += MINUTE) {
      note(missed, instant + missed - (before ?? local) - MINUTE);
    }
    note(local, instant);
    before = local;
  }
  return Array.from(shown, ([local, instant]) => ({ local, instant }));
}

/** The periods of a zone in those years, from the fields that its clocks show. */
export function periodsOf(timezone: string): readonly Period[] {
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone: timezone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  });
  const offsetAt = (instant: number) => {
    const fields = Object.fromEntries(format.formatToParts(instant).map(({ type, value }) => [type, Number(value)]));
    const { year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0 } = fields;
    return Date.UTC(year, month - 1, day, hour, minute, second) - instant;
  };
  const periods: Period[] = [{ from: YEARS.from, offset: offsetAt(YEARS.from) }];
  for (let day = YEARS.from; day < YEARS.to; day += DAY) {
    const offset = offsetAt(day + DAY);
    if (offset === periods.at(-1)?.offset) continue;
    let [same, changed] = [day, day + DAY];
    while (changed - same > MINUTE) {
      const middle = same + Math.floor((changed - same) / 2 / MINUTE) * MINUTE;
      if (offsetAt(middle) === offset) changed = middle;
      else same = middle;
    }
    periods.push({ from: changed, offset });
  }
  return periods;
}
