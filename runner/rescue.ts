import type { CellKnowledge, JobHealth } from "./knowledge.ts";

/** Milliseconds: a quarter of an hour, in which pg_cron's catch-up comes by once, and the scheduler's five minutes. */
const LEFT_TO_CATCH_UP = 20 * 60_000;

/** The overdue jobs that pg_cron did not start. What runs, or failed, was started, unless its launcher is gone. */
export function leftByPgCron(jobs: readonly JobHealth[], launcher: boolean | undefined): readonly string[] {
  return overdueOf(jobs)
    .filter(({ failuresInRow }) => launcher === false || failuresInRow === 0)
    .map(({ job }) => job);
}

/**
 * The overdue jobs that the runner runs at `now` by the server's clock: those that pg_cron left, and those that failed and
 * that its catch-up has not made good since. The engine spaces the calls of all who try.
 */
export function toRescue(jobs: readonly JobHealth[], launcher: boolean | undefined, now: number): readonly string[] {
  const left = leftByPgCron(jobs, launcher);
  return overdueOf(jobs)
    .filter(({ job, overdueSince = now }) => left.includes(job) || now - overdueSince > LEFT_TO_CATCH_UP)
    .map(({ job }) => job);
}

/** Whether something in a cell is overdue that pg_cron left, as far as is known. */
export function isRescued({ merchants, launcher }: Pick<CellKnowledge, "merchants" | "launcher">): boolean {
  return [...merchants.values()].some(
    ({ scheduler, jobs }) => scheduler === "pg_cron" && leftByPgCron(jobs, launcher).length > 0,
  );
}

function overdueOf(jobs: readonly JobHealth[]): readonly JobHealth[] {
  return jobs.filter(({ overdueSince, runningSince }) => overdueSince !== undefined && runningSince === undefined);
}
