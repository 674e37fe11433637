import type { Difference } from "../differences.ts";

/**
 * How bad a difference is, the worst first:
 * - `cell`: it concerns every merchant of a cell: what its probe finds, its cron database, or the stack itself.
 * - `ledger`: money: something is gone, or is not as applied in a merchant's database, its roles or its rights; a job
 *   does, or is run by, something else than declared; a job that nobody declared.
 * - `schedule`: a job does not run when it should: lost, paused, with another schedule, or not in the registry.
 * - `attribute`: all else, such as limits.
 */
export const SEVERITIES = ["cell", "ledger", "schedule", "attribute"] as const;

export type Severity = (typeof SEVERITIES)[number];

/** What is different, and of what. */
interface Graded {
  readonly owner: "merchant" | "cell" | "stack";
  /** The resource's type, such as `Crontab`. */
  readonly kind: string;
  readonly difference: Difference;
}

/** Properties of a job that say what is done, and as whom. */
const WHAT: readonly string[] = ["command", "database", "user", "batchFunction"];
/** Properties of a crontab and its jobs that say whether and when. */
const WHEN: readonly string[] = [
  "active",
  "due",
  "dueSchedule",
  "enabled",
  "registered",
  "schedule",
  "scheduler",
  "suspended",
  "timezone",
];
/** Attributes of a role or a database that give no right to anybody. */
const HARMLESS: readonly string[] = ["connectionLimit", "allowConnections", "isTemplate"];

/** Grades a difference; `before` is what is declared and `after` what was found. */
export function severityOf({ owner, kind, difference }: Graded): Severity {
  if (owner !== "merchant") return "cell";
  const { object, property, before } = difference;
  const isGone = object === "" && property === "";
  if (isGone) return "ledger";
  if (kind === "Crontab") {
    const isWholeJob = property === "";
    if (isWholeJob) return before === undefined ? "ledger" : "schedule";
    if (WHAT.includes(property)) return "ledger";
    return WHEN.includes(property) ? "schedule" : "attribute";
  }
  return HARMLESS.includes(property) ? "attribute" : "ledger";
}
