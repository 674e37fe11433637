import { instantOf, offsetAt } from "./local-time.ts";
import type { CronSchedule, Schedule } from "./schedule.ts";

const MINUTE = 60_000;
const DAY = 86_400_000;

/** 29 February is eight years apart around 1900 and 2100. */
const MOST_DAYS = 9 * 366;

/**
 * The last instant up to `now` at which a schedule was due; undefined when there was none in nine years. In a zone other
 * than GMT the schedule has one hour and one minute: it is due once for each local day (see instantOf). A schedule of
 * seconds has no grid, so that it is due `every` seconds ago. `app.last_due_of` is the same in SQL.
 */
export function lastDue(schedule: Schedule, timezone: string, now: Date): Date | undefined {
  if (schedule.kind === "seconds") return new Date(now.getTime() - schedule.every * 1000);
  return timezone === "GMT" ? lastDueInGmt(schedule, now) : lastDueInZone(schedule, timezone, now);
}

/**
 * The first instant later than `after` at which a schedule is due; undefined when there is none in nine years. As for
 * `lastDue`, a zone other than GMT has it due once for each local day, and a schedule of seconds has no grid: it is due
 * `every` seconds later.
 */
export function nextDue(schedule: Schedule, timezone: string, after: Date): Date | undefined {
  if (schedule.kind === "seconds") return new Date(after.getTime() + schedule.every * 1000);
  return timezone === "GMT" ? nextDueInGmt(schedule, after) : nextDueInZone(schedule, timezone, after);
}

/** A schedule in the form that `app.last_due_of` computes with: `{every}`, or the sets and flags of its fields. */
export function dueScheduleOf(schedule: Schedule): Readonly<Record<string, unknown>> {
  if (schedule.kind === "seconds") return { every: schedule.every };
  const { minutes, hours, daysOfMonth, months, daysOfWeek, domStar, dowStar, lastDayOfMonth } = schedule;
  return { minutes, hours, daysOfMonth, months, daysOfWeek, domStar, dowStar, lastDayOfMonth };
}

function lastDueInGmt(schedule: CronSchedule, now: Date): Date | undefined {
  const today = Math.floor(now.getTime() / DAY);
  const minute = Math.floor((now.getTime() - today * DAY) / MINUTE);
  for (const day of daysBack(schedule, today)) {
    const time = lastTime(schedule, day === today ? minute : DAY / MINUTE);
    if (time !== undefined) return new Date(day * DAY + time * MINUTE);
  }
  return undefined;
}

function lastDueInZone(schedule: CronSchedule, timezone: string, now: Date): Date | undefined {
  const today = Math.floor((now.getTime() + offsetAt(timezone, now.getTime())) / DAY);
  const time = lastTime(schedule, DAY / MINUTE) ?? 0;
  // Where clocks go back over midnight, the first instant of a day comes before the last of the day before it.
  for (const day of daysBack(schedule, today + 1)) {
    const instant = instantOf(timezone, day * DAY + time * MINUTE);
    if (instant <= now.getTime()) return new Date(instant);
  }
  return undefined;
}

function nextDueInGmt(schedule: CronSchedule, after: Date): Date | undefined {
  const today = Math.floor(after.getTime() / DAY);
  const minute = Math.floor((after.getTime() - today * DAY) / MINUTE);
  for (const day of daysForth(schedule, today)) {
    const time = firstTime(schedule, day === today ? minute + 1 : 0);
    if (time !== undefined) return new Date(day * DAY + time * MINUTE);
  }
  return undefined;
}

function nextDueInZone(schedule: CronSchedule, timezone: string, after: Date): Date | undefined {
  const today = Math.floor((after.getTime() + offsetAt(timezone, after.getTime())) / DAY);
  const time = firstTime(schedule, 0) ?? 0;
  // Where clocks go back over midnight, it may be today's first instant again, of which the day before comes later.
  for (const day of daysForth(schedule, today - 1)) {
    const instant = instantOf(timezone, day * DAY + time * MINUTE);
    if (instant > after.getTime()) return new Date(instant);
  }
  return undefined;
}

/** The days that fit a schedule from a day on, counted from 1 January 1970. */
function* daysForth(schedule: CronSchedule, from: number): Generator<number> {
  for (let day = from; day <= from + MOST_DAYS; day += 1) {
    const date = new Date(day * DAY);
    if (!schedule.months.includes(date.getUTCMonth() + 1)) {
      // On to the first day of the next month.
      day = Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1) / DAY - 1;
    } else if (fitsDay(schedule, date)) {
      yield day;
    }
  }
}

/** The days that fit a schedule from a day on back, counted from 1 January 1970. */
function* daysBack(schedule: CronSchedule, from: number): Generator<number> {
  for (let day = from; day >= from - MOST_DAYS; day -= 1) {
    const date = new Date(day * DAY);
    if (!schedule.months.includes(date.getUTCMonth() + 1)) {
      // On to the last day of the month before.
      day -= date.getUTCDate() - 1;
    } else if (fitsDay(schedule, date)) {
      yield day;
    }
  }
}

/** As ShouldRunTask in pg_cron's src/pg_cron.c: a star makes both fields of days necessary, else one is enough. */
function fitsDay({ daysOfMonth, daysOfWeek, domStar, dowStar, lastDayOfMonth }: CronSchedule, date: Date): boolean {
  const isLast = new Date(date.getTime() + DAY).getUTCDate() === 1;
  const dom = daysOfMonth.includes(date.getUTCDate()) || (lastDayOfMonth && isLast);
  const dow = daysOfWeek.includes(date.getUTCDay());
  return domStar || dowStar ? dom && dow : dom || dow;
}

/** The last time of a day that fits, up to a minute of it; minutes are counted from midnight. */
function lastTime({ hours, minutes }: CronSchedule, upTo: number): number | undefined {
  for (const hour of hours.toReversed()) {
    const minute = minutes.findLast((minute) => hour * 60 + minute <= upTo);
    if (minute !== undefined) return hour * 60 + minute;
  }
  return undefined;
}

/** The first time of a day that fits, from a minute of it on. */
function firstTime({ hours, minutes }: CronSchedule, from: number): number | undefined {
  for (const hour of hours) {
    const minute = minutes.find((minute) => hour * 60 + minute >= from);
    if (minute !== undefined) return hour * 60 + minute;
  }
  return undefined;
}
