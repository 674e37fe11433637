import { actAs, quoteName } from "./roles.ts";
import type { Session } from "./session.ts";

/**
 * Lets `work` schedule as a job role, within the caller's transaction, which must hold the lock `crontab`.
 *
 * A job belongs to the role that schedules it, and naming another role needs superuser (cron_schedule in
 * job_metadata.c), so the administrator becomes the job role. That role gets the right to schedule inside this
 * transaction only: afterwards it can neither change its crontab nor look at it. The lock keeps two transactions from
 * granting on the same functions at once, which fails with "tuple concurrently updated".
 */
export async function asScheduler(session: Session, jobRole: string, work: () => Promise<void>): Promise<void> {
  const role = quoteName(jobRole);
  const rights = "function cron.schedule_in_database, cron.alter_job";
  await session.query(`grant usage on schema cron to ${role}; grant execute on ${rights} to ${role}`);
  await actAs(session, jobRole);
  await work();
  await actAs(session, undefined);
  await session.query(`revoke execute on ${rights} from ${role}; revoke usage on schema cron from ${role}`);
}

/** Schedules a job of the current role, or changes schedule and command of the one with this name. */
export async function schedule(
  session: Session,
  job: {
    readonly name: string;
    readonly schedule: string;
    readonly command: string;
    readonly database: string;
    readonly active: boolean;
  },
): Promise<void> {
  await session.query(
    `select cron.schedule_in_database(job_name => $1::text, schedule => $2::text, command => $3::text,
       database => $4::text, active => $5::boolean)`,
    [job.name, job.schedule, job.command, job.database, job.active],
  );
}

/** Sets what scheduling again leaves as it is. */
export async function alter(
  session: Session,
  job: { readonly jobid: string; readonly database: string; readonly active: boolean },
): Promise<void> {
  await session.query("select cron.alter_job(job_id => $1::bigint, database => $2::text, active => $3::boolean)", [
    job.jobid,
    job.database,
    job.active,
  ]);
}
