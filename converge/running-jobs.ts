import type { CronRow, CrontabStep } from "./crontab-plan.ts";
import { ConvergeError } from "./errors.ts";
import type { Session } from "./session.ts";

/**
 * Milliseconds that a change waits for runs which it would end, before it is refused. Longer than the time limit of the
 * catalogue's most frequent job, and short enough that nobody takes a deployment for hung.
 */
export const RUN_PATIENCE = 5 * 60_000;

/** A run of pg_cron that is under way. */
export interface RunningJob {
  readonly jobid: string;
  readonly jobname: string | null;
  readonly pid: number;
  /** When its statement began, in GMT. */
  readonly since: string;
}

/**
 * The ids of jobs whose run, if one is under way, these steps would end: pg_cron terminates the worker of a job that is
 * removed or not active any more (RefreshTaskHash in its task_states.c, CRON_TASK_BGW_RUNNING in pg_cron.c), and lets
 * the one of a job go on whose schedule, command or database is changed. 1.4 with background workers records the run as
 * canceled at once, and lets the worker go on where nobody sees it.
 */
export function endedBy(steps: readonly CrontabStep[], rows: readonly CronRow[]): readonly string[] {
  const active = new Set(rows.filter((row) => row.active).map(({ jobid }) => jobid));
  return steps.flatMap((step) =>
    step.kind !== "schedule" && active.has(step.jobid) && (step.kind === "unschedule" || !step.active)
      ? [step.jobid]
      : [],
  );
}

/**
 * Which of these jobs pg_cron runs now. A worker shows its role, database and command, as far as there is room; when no
 * job of the role has that command any more, it was changed during the run, and the run may be of each of them.
 */
export async function readRunning(session: Session, jobids: readonly string[]): Promise<readonly RunningJob[]> {
  if (jobids.length === 0) return [];
  const { rows } = await session.query<RunningJob>(
    `select j.jobid::text as jobid, j.jobname::text as jobname, a.pid,
       pg_catalog.to_char(a.query_start at time zone 'GMT', 'YYYY-MM-DD HH24:MI:SS "GMT"') as since
     from cron.job as j
     join pg_catalog.pg_stat_activity as a
       on a.usename = j.username and a.datname = j.database
     where j.jobid = any ($1::bigint[]) and a.backend_type like 'pg\\_cron%' and a.state = 'active' and a.query <> ''
       and (
         pg_catalog.starts_with(j.command, a.query)
         or not exists (
           select from cron.job as o
           where o.username = a.usename and o.database = a.datname and pg_catalog.starts_with(o.command, a.query)
         )
       )
     order by j.jobid`,
    [jobids],
  );
  return rows;
}

/** The refusal to end runs that go on for longer than was waited. */
export function stillRunning(whose: string, running: readonly RunningJob[], patience: number): ConvergeError {
  const jobs = running.map(({ jobid, jobname, pid, since }) => `${jobname ?? `#${jobid}`} since ${since} (pid ${pid})`);
  const ends = running.map(({ pid }) => `select pg_cancel_backend(${pid});`);
  return new ConvergeError(
    "in_use",
    `${whose}: ${jobs.join(" and ")} is running, and to pause or remove a job now would ` +
      `cancel its run; waited ${Math.round(patience / 1_000)} s for its end. The crontab was not changed, and jobs of ` +
      `the catalogue that shall rest begin no further run: run up again when it has ended, or end it: ${ends.join(" ")}`,
  );
}
