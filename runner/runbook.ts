import type { TroubleKind } from "./trouble.ts";

/** The page that says of each trouble what it means, whether money is at risk, what to do and when it is over. */
export const RUNBOOK = "docs/runbook/troubles.md";

type Scope = "cell" | "merchant" | "job";

/**
 * The heading of each trouble in the runbook: the words that its text begins with, with "a job", "a merchant" and "a cell" for
 * the names. A test holds text, heading and alert together.
 */
export const HEADINGS: Readonly<Record<TroubleKind, Readonly<Partial<Record<Scope, string>>>>> = {
  overdue: { job: "A job is overdue" },
  zone_unknown: { job: "A job has a time zone that is not known" },
  away: { cell: "A cell cannot be looked at", merchant: "The database of a merchant cannot be looked at" },
  unseen: { cell: "A cell has not answered for too long", merchant: "A merchant has not been visited for too long" },
  launcher_gone: { cell: "The launcher of pg_cron does not run" },
  failing: { job: "A job failed" },
  quarantined: { job: "A job has items in quarantine" },
  behind: { job: "A job is behind" },
  abandoned: { job: "A job was abandoned in the middle of a run" },
  clock_skew: { cell: "The clock of a cell differs from the one here" },
};

/** Where the runbook speaks of a trouble, relative to the repository: `docs/runbook/troubles.md#a-job-is-overdue`. */
export function runbookOf(kind: TroubleKind, scope: Scope): string {
  const heading = HEADINGS[kind][scope];
  return heading === undefined ? RUNBOOK : `${RUNBOOK}#${anchorOf(heading)}`;
}

/** The anchor that GitHub makes of a heading. */
export function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\w\- ]/g, "")
    .replaceAll(" ", "-");
}
