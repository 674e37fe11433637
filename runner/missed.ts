import { nextDue } from "../spec/due.ts";
import { isKnownZone } from "../spec/local-time.ts";
import { parseSchedule } from "../spec/schedule.ts";
import type { JobHealth } from "./knowledge.ts";

type Overdue = Pick<JobHealth, "schedule" | "timezone" | "dueFrom" | "lastSuccessAt" | "overdueSince">;

/**
 * Since when a job is overdue: the first due time that no success came after. `overdueSince` is the newest one, the one to do,
 * and moves on while nobody does it. Undefined for a job that is not overdue.
 */
export function missedSince({ schedule, timezone, dueFrom, lastSuccessAt, overdueSince }: Overdue): number | undefined {
  if (overdueSince === undefined || schedule === undefined || !isKnownZone(timezone)) return overdueSince;
  const parsed = parseSchedule(schedule);
  if (parsed.kind === "problem") return overdueSince;
  const first = nextDue(parsed, timezone, new Date(Math.max(dueFrom, lastSuccessAt ?? 0)));
  return Math.min(first?.getTime() ?? overdueSince, overdueSince);
}
