import type { MerchantSpec } from "./merchants.ts";
import { parseSchedule } from "./schedule.ts";

/** The minute of a day in which a cell has the most jobs to start. */
export interface BusiestMinute {
  /** In GMT, as `02:00`; the first, when several have as many. */
  readonly time: string;
  readonly jobs: number;
  /** All jobs of the cell that run at all. */
  readonly of: number;
}

/**
 * Counts, for every minute of a day, the jobs that the crontabs of a cell's merchants may start in it; undefined when
 * none runs. Days that a schedule leaves out count too, so that it is the most that a minute of any day can have.
 */
export function busiestMinute(merchants: readonly MerchantSpec[], cell: string): BusiestMinute | undefined {
  const jobs = merchants
    .filter((merchant) => merchant.cell === cell && !merchant.suspended)
    .flatMap((merchant) => Object.values(merchant.jobs).filter(({ enabled }) => enabled));
  const counts = new Array<number>(24 * 60).fill(0);
  for (const { schedule } of jobs) for (const minute of minutesOf(schedule)) counts[minute] = (counts[minute] ?? 0) + 1;
  const most = Math.max(...counts);
  if (most === 0) return undefined;
  const minute = counts.indexOf(most);
  const two = (number: number) => String(number).padStart(2, "0");
  return { time: `${two(Math.floor(minute / 60))}:${two(minute % 60)}`, jobs: most, of: jobs.length };
}

/** The minutes of a day in which a schedule may start its job; one of seconds does in each. */
function minutesOf(text: string): readonly number[] {
  const schedule = parseSchedule(text);
  if (schedule.kind === "problem") return [];
  if (schedule.kind === "seconds") return Array.from({ length: 24 * 60 }, (_, minute) => minute);
  return schedule.hours.flatMap((hour) => schedule.minutes.map((minute) => hour * 60 + minute));
}
