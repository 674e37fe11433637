import { JOBS } from "../spec/jobs.ts";
import type { CronRow } from "./crontab-plan.ts";
import { type CrontabOwner, removeJobs } from "./crontab.ts";
import { assertCanLook, readCronRows } from "./cron-server.ts";
import { ConvergeError } from "./errors.ts";
import { withCronSession } from "./session.ts";

/** A job that was scheduled by hand, and the job of the catalogue that does the same. */
export interface AdoptableJob {
  readonly row: CronRow;
  readonly job: string;
}

/**
 * Finds the jobs in a merchant's database that were scheduled by hand, each with the job of the catalogue that its
 * command runs. Throws `not_adopted` for one that runs something else: the crontab of a merchant is one set, and the next
 * up would take that job away.
 */
export async function readAdoptableJobs(owner: CrontabOwner): Promise<readonly AdoptableJob[]> {
  const rows = await withCronSession(owner.address, async (session) => {
    await assertCanLook(session, owner.address);
    return readCronRows(session, owner.address, owner);
  });
  const found = rows.map((row) => ({ row, job: jobOfCommand(row.command) }));
  const others = found.filter(({ job }) => job === undefined);
  if (others.length > 0) {
    const words = others.map(
      ({ row }) => `#${row.jobid} (${row.jobname ?? "without a name"}, ${row.username}): ${row.command}`,
    );
    throw new ConvergeError(
      "not_adopted",
      [
        `merchant ${owner.merchant}: database ${owner.database} of cell ${owner.address.cell} was not adopted, nothing was ` +
          "changed: these jobs run what no job of the catalogue does, and up would take them away; make each a job of the " +
          "catalogue (docs/add-a-job.md), or unschedule it:",
        ...words,
      ].join("\n- "),
    );
  }
  return found.flatMap(({ row, job }) => (job === undefined ? [] : [{ row, job }]));
}

/** Takes jobs out of the crontab that a person scheduled: the next up schedules the catalogue's. */
export async function removeAdopted(owner: CrontabOwner, jobs: readonly AdoptableJob[]): Promise<readonly string[]> {
  const byHand = jobs.filter(({ row }) => row.username !== owner.jobRole);
  await removeJobs(
    owner,
    byHand.map(({ row }) => row),
  );
  return byHand.map(({ row, job }) => {
    const name = row.jobname === null ? `#${row.jobid}` : `#${row.jobid} ${row.jobname}`;
    return `took job ${name} (${row.schedule}, ${row.command}) out of the crontab: up schedules ${job} in its place, when the stack file says`;
  });
}

/** The job of the catalogue that a command runs: one SELECT or CALL of its procedure, after any number of SETs. */
export function jobOfCommand(command: string): string | undefined {
  const called = command.replace(/^(\s*set\s[^;]*;)+/i, "");
  const procedure = /^\s*(?:select|call|select\s+\*\s+from)\s+(app\.\w+)\s*\(\s*\)\s*;?\s*$/i.exec(called)?.[1];
  return Object.entries(JOBS).find(([, job]) => job.procedure === procedure?.toLowerCase())?.[0];
}
