import { offsetAt } from "./local-time.ts";
import { type CronSchedule, isEveryDay, type Schedule } from "./schedule.ts";

/** What a schedule becomes in a merchant's time zone. */
export type Zoned =
  /** Due once per local day; `schedule` is what pg_cron, whose zone is GMT, must be given so that it fires at each. */
  | { readonly kind: "local"; readonly schedule: string }
  /** It runs in every hour of every day, so that it stays as it is. */
  | { readonly kind: "everywhere" }
  | { readonly kind: "problem"; readonly rule: string; readonly fix: string };

/**
 * Crontabs fire at every offset from GMT that a zone has in these years. They are fixed, so that no crontab changes
 * because a year went by.
 */
const YEARS = { from: Date.UTC(2025, 0, 1), to: Date.UTC(2045, 0, 1) };

/** No zone goes to another offset for less than this: Morocco's Ramadan takes a month. */
const STEP = 7 * 86_400_000;
const MINUTE = 60_000;

/**
 * A time zone as PostgreSQL and Node both know it: `GMT` for all names of that, else `Area/City` as it was written;
 * undefined for any other text. Abbreviations are refused: CET is a zone with summer time to one, and without to the other.
 */
export function parseTimezone(text: string): string | undefined {
  if (/^(?:GMT|UTC)$/.test(text)) return "GMT";
  if (!/^[A-Z][A-Za-z_]*(?:\/[A-Za-z0-9_+-]+){1,2}$/.test(text)) return undefined;
  try {
    const { timeZone } = new Intl.DateTimeFormat("en-US", { timeZone: text }).resolvedOptions();
    return timeZone === "UTC" ? "GMT" : text;
  } catch {
    return undefined;
  }
}

/** The time zones to propose for one that is not known. */
export function knownTimezones(): readonly string[] {
  return Intl.supportedValuesOf("timeZone");
}

/** What a schedule becomes in a zone other than GMT. */
export function inZone(schedule: Schedule, timezone: string): Zoned {
  if (schedule.kind === "seconds") return { kind: "everywhere" };
  const { minutes, hours, text } = schedule;
  if (isEveryDay(schedule)) {
    if (hours.length === 24) return { kind: "everywhere" };
    if (minutes.length === 1 && hours.length === 1) return { kind: "local", schedule: inGmt(schedule, timezone) };
  }
  return {
    kind: "problem",
    rule:
      `${JSON.stringify(text)} is neither one time of every day (M H * * *), which keeps local time, nor does it run in ` +
      "every hour of every day, which stays in GMT",
    fix: 'write such a schedule, for example "30 2 * * *", or leave timezone out and write the schedule in GMT',
  };
}

/**
 * The schedule in GMT that fires at least at each time at which a daily one is due in a zone. Where offsets differ by
 * half an hour it fires at more: minutes and hours are two fields. `app.run_job` lets the right one through.
 */
function inGmt({ minutes, hours }: CronSchedule, timezone: string): string {
  const local = (hours[0] ?? 0) * 60 + (minutes[0] ?? 0);
  const times = offsetsOf(timezone).map((offset) => (((local - offset / MINUTE) % 1440) + 1440) % 1440);
  const field = (of: (time: number) => number) =>
    [...new Set(times.map(of))].sort((one, other) => one - other).join(",");
  return `${field((time) => time % 60)} ${field((time) => Math.floor(time / 60))} * * *`;
}

const known = new Map<string, readonly number[]>();

/** Every offset that a zone has in the years that count, in milliseconds. */
function offsetsOf(timezone: string): readonly number[] {
  const found = known.get(timezone) ?? readOffsets(timezone);
  known.set(timezone, found);
  return found;
}

function readOffsets(timezone: string): readonly number[] {
  const offsets = new Set<number>();
  for (let instant = YEARS.from; instant <= YEARS.to; instant += STEP) offsets.add(offsetAt(timezone, instant));
  return [...offsets];
}
