import type { JobHealth } from "./knowledge.ts";

/**
 * The overdue jobs that pg_cron did not start. What runs, or failed, was started: while its launcher is there, pg_cron's
 * own catch-up tries that again.
 */
export function leftByPgCron(jobs: readonly JobHealth[], launcher: boolean | undefined): readonly string[] {
  return jobs
    .filter(({ overdueSince, runningSince }) => overdueSince !== undefined && runningSince === undefined)
    .filter(({ failuresInRow }) => launcher === false || failuresInRow === 0)
    .map(({ job }) => job);
}
