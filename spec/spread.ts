import { createHash } from "node:crypto";
import { cronJobName } from "./names.ts";
import { type CronSchedule, isEveryDay, type Schedule } from "./schedule.ts";

/** Why a schedule cannot be spread, and what to do. */
export interface SpreadProblem {
  readonly rule: string;
  readonly fix: string;
}

const DAY_MINUTES = 24 * 60;

/** The minutes of a spread such as `45m` or `2h`, at most a day; undefined for any other text. */
export function parseSpread(text: string): number | undefined {
  const [, number = "", unit] = /^([0-9]{1,4})([mh])$/.exec(text) ?? [];
  if (unit === undefined) return undefined;
  const minutes = Number(number) * (unit === "h" ? 60 : 1);
  return minutes <= DAY_MINUTES ? minutes : undefined;
}

/**
 * Why a schedule cannot be spread over so many minutes, whoever's job it is; undefined when it can. Spread moves one
 * time of day forward and leaves the days as they are; minutes at a step of 5 it moves within the step, to 2-59/5.
 */
export function spreadProblem(schedule: Schedule, minutes: number): SpreadProblem | undefined {
  if (minutes === 0) return undefined;
  if (schedule.kind === "seconds") {
    return { rule: "cannot spread a schedule of seconds: it has no minute", fix: "take the spread off: write 0m" };
  }
  const time = timeOfDay(schedule);
  if (time === undefined) {
    if (stepOf(schedule) !== undefined) return undefined;
    return {
      rule: `cannot spread ${quote(schedule)}: only one time of day (M H …) and steps of minutes that divide 60 (*/5) can be`,
      fix: 'write such a schedule, for example "30 2 * * *" or "*/10 * * * *", or take the spread off: write 0m',
    };
  }
  if (isEveryDay(schedule) || time + minutes <= DAY_MINUTES) return undefined;
  return {
    rule: `would carry ${quote(schedule)} over midnight, to a day that its fields do not name`,
    fix: `make it at most ${DAY_MINUTES - time}m, or let the schedule begin earlier`,
  };
}

/**
 * The schedule of one merchant's job within its spread. Which minute it is depends on merchant and job alone: the first
 * 48 bits of the SHA-256 of `<merchant>:<job>`, modulo the minutes. A daily one may go on after midnight.
 */
export function spreadSchedule(schedule: Schedule, minutes: number, merchant: string, job: string): string {
  if (minutes === 0 || schedule.kind === "seconds") return schedule.text;
  const hash = createHash("sha256").update(cronJobName(merchant, job)).digest().readUIntBE(0, 6);
  const [minute = "", hour = "", ...days] = schedule.fields;
  const time = timeOfDay(schedule);
  if (time !== undefined) {
    const moved = (time + (hash % minutes)) % DAY_MINUTES;
    return [moved % 60, Math.floor(moved / 60), ...days].join(" ");
  }
  const step = stepOf(schedule);
  const offset = step === undefined ? 0 : hash % Math.min(minutes, step);
  return offset === 0 ? schedule.text : [`${offset}-59${minute.slice(1)}`, hour, ...days].join(" ");
}

/** The one time of day, in minutes; undefined when there are several. */
function timeOfDay({ minutes, hours }: CronSchedule): number | undefined {
  const [minute, another] = minutes;
  const [hour, later] = hours;
  return minute === undefined || hour === undefined || another !== undefined || later !== undefined
    ? undefined
    : hour * 60 + minute;
}

/** The step of a schedule whose minutes are all apart by it, also over the hour. */
function stepOf({ fields }: CronSchedule): number | undefined {
  const step = Number(/^\*\/([0-9]+)$/.exec(fields[0] ?? "")?.[1]);
  return step > 1 && 60 % step === 0 ? step : undefined;
}

function quote({ text }: Schedule): string {
  return JSON.stringify(text);
}
