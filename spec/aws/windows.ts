import type { MerchantSpec } from "../merchants.ts";
import { parseSchedule } from "../schedule.ts";

/** A span of a week in minutes from Sunday 00:00 GMT; `end` may be after the week's. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

const DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const DAY = 24 * 60;
const WEEK = 7 * DAY;
/** RDS takes no shorter window. */
const SHORTEST = 30;
/** A maintenance window of RDS may be this long at most. */
const LONGEST = DAY;
/** A job that is due this often is at work at any time, and no window avoids it. */
const OFTEN = 6;
/** Minutes that a run may still take after it began: the longest time limit of the catalogue, and some. */
const RUN = 15;

/** A weekly window as RDS takes it, `sun:06:00-sun:07:00` in GMT; undefined when it is none. */
export function parseWeekly(text: string): Span | undefined {
  const match = /^([a-z]{3}):(\d\d):(\d\d)-([a-z]{3}):(\d\d):(\d\d)$/.exec(text);
  if (match === null) return undefined;
  const start = minuteOfWeek(match.slice(1, 4));
  const end = minuteOfWeek(match.slice(4, 7));
  return start === undefined || end === undefined ? undefined : span(start, end, WEEK);
}

/** A daily window as RDS takes it, `22:00-23:00` in GMT, on Sunday; undefined when it is none. */
export function parseDaily(text: string): Span | undefined {
  const match = /^(\d\d):(\d\d)-(\d\d):(\d\d)$/.exec(text);
  if (match === null) return undefined;
  const start = minuteOfWeek(["sun", ...match.slice(1, 3)]);
  const end = minuteOfWeek(["sun", ...match.slice(3, 5)]);
  return start === undefined || end === undefined ? undefined : span(start, end, DAY);
}

/** Whether the daily window falls into the weekly one on any day: RDS refuses that. */
export function overlaps(weekly: Span, daily: Span): boolean {
  return Array.from({ length: 9 }, (_, day) => (day - 1) * DAY).some(
    (shift) => daily.start + shift < weekly.end && weekly.start < daily.end + shift,
  );
}

/** The jobs of a cell that run a few times a day and may be at work in the window, as `acme:lot_expiry`, sorted. */
export function jobsIn(weekly: Span, merchants: readonly MerchantSpec[], cell: string): readonly string[] {
  return merchants
    .filter((merchant) => merchant.cell === cell && !merchant.suspended)
    .flatMap(({ id, jobs }) =>
      Object.values(jobs)
        .filter(({ schedule, enabled }) => enabled && startsOf(schedule).some((start) => meets(weekly, start)))
        .map(({ name }) => `${id}:${name}`),
    )
    .sort();
}

function meets(weekly: Span, start: number): boolean {
  return [start - WEEK, start, start + WEEK].some((at) => at < weekly.end && weekly.start < at + RUN);
}

/** The minutes of a week at which a job starts that runs a few times a day; days of the month are left out. */
function startsOf(text: string): readonly number[] {
  const schedule = parseSchedule(text);
  if (schedule.kind !== "cron" || schedule.hours.length * schedule.minutes.length > OFTEN) return [];
  const days = schedule.domStar ? schedule.daysOfWeek : [0, 1, 2, 3, 4, 5, 6];
  return days.flatMap((day) =>
    schedule.hours.flatMap((hour) => schedule.minutes.map((minute) => day * DAY + hour * 60 + minute)),
  );
}

function minuteOfWeek([day = "", hour = "", minute = ""]: readonly string[]): number | undefined {
  const at = DAYS.indexOf(day);
  if (at === -1 || Number(hour) > 23 || Number(minute) > 59) return undefined;
  return at * DAY + Number(hour) * 60 + Number(minute);
}

function span(start: number, end: number, period: number): Span | undefined {
  const length = (((end - start) % period) + period) % period;
  return length < SHORTEST || length > LONGEST ? undefined : { start, end: start + length };
}
