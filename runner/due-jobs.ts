import { lastDue, nextDue } from "../spec/due.ts";
import { isKnownZone } from "../spec/local-time.ts";
import { parseSchedule, type Schedule } from "../spec/schedule.ts";
import type { JobLook, Registered } from "./look.ts";
import type { Task } from "./run.ts";

interface Job {
  readonly schedule: Schedule;
  readonly look: JobLook;
  /** By the server's clock; infinite when it is never due again. */
  next: number;
}

/**
 * When the jobs of a cell are due. It remembers no run: that a due time is done is known to the database alone, so that it
 * does no harm to ask for one twice.
 */
export class DueJobs {
  readonly #merchants = new Map<string, { readonly database: string; readonly jobs: Map<string, Job> }>();

  /**
   * Takes what a visit found at `now`, and gives what was due and is not done. `retry`: also what has failed since; the
   * engine lets it through when it has waited long enough.
   */
  learn(merchant: Registered, looks: readonly JobLook[], now: number, retry: boolean): readonly Task[] {
    const before = this.#merchants.get(merchant.merchant)?.jobs;
    const jobs = new Map<string, Job>();
    const open: Task[] = [];
    for (const look of looks) {
      const schedule = look.enabled && look.schedule !== undefined ? parseSchedule(look.schedule) : undefined;
      if (schedule === undefined || schedule.kind === "problem" || !isKnownZone(look.timezone)) continue;
      const known = before?.get(look.job);
      const isSame = known && known.look.schedule === look.schedule && known.look.timezone === look.timezone;
      const next = isSame ? known.next : nextOf(schedule, look.timezone, now);
      const job: Job = { schedule, look, next };
      jobs.set(look.job, job);
      const due = lastOf(job, now);
      const done = look.lastSuccessAt !== undefined && due !== undefined && look.lastSuccessAt >= due;
      if (due === undefined || due <= look.dueFrom || done || look.runningSince !== undefined) continue;
      // After a failure the engine lets nobody in for a while: the next visit asks again.
      if (retry || (look.behind && look.lastStatus === "succeeded"))
        open.push(taskOf(merchant.merchant, merchant.database, look, due));
    }
    this.#merchants.set(merchant.merchant, { database: merchant.database, jobs });
    return open;
  }

  /** A merchant that is there no more, or that pg_cron schedules. */
  forget(merchant: string): void {
    this.#merchants.delete(merchant);
  }

  /** The server's clock was set: what is due next is computed anew, and what was due last is asked for once more. */
  clockSet(now: number): readonly Task[] {
    return this.#all((job) => {
      job.next = nextOf(job.schedule, job.look.timezone, now);
      return lastOf(job, now);
    });
  }

  /** What came due up to `now`. Of several due times of a job, which were missed, the last is the one to do. */
  take(now: number): readonly Task[] {
    return this.#all((job) => {
      if (job.next > now) return undefined;
      const due = lastOf(job, now);
      job.next = nextOf(job.schedule, job.look.timezone, now);
      return due;
    });
  }

  /** The server's clock had not come to it yet: it is taken again. */
  notYet({ merchant, job, due }: Task): void {
    const known = this.#merchants.get(merchant)?.jobs.get(job ?? "");
    if (known) known.next = Math.min(known.next, due);
  }

  #all(dueOf: (job: Job) => number | undefined): readonly Task[] {
    const tasks: Task[] = [];
    for (const [merchant, { database, jobs }] of this.#merchants) {
      for (const job of jobs.values()) {
        const due = dueOf(job);
        if (due !== undefined && due > job.look.dueFrom) tasks.push(taskOf(merchant, database, job.look, due));
      }
    }
    return tasks;
  }
}

function taskOf(merchant: string, database: string, { job, timeLimitSeconds }: JobLook, due: number): Task {
  return { merchant, database, job, due, timeLimitSeconds };
}

/** Here a schedule of seconds has a grid, from 1970 on, so that several runners ask for the same times. */
function lastOf({ schedule, look }: Pick<Job, "schedule" | "look">, now: number): number | undefined {
  if (schedule.kind === "seconds") return Math.floor(now / (schedule.every * 1000)) * schedule.every * 1000;
  return lastDue(schedule, look.timezone, new Date(now))?.getTime();
}

function nextOf(schedule: Schedule, timezone: string, now: number): number {
  if (schedule.kind === "seconds") return (Math.floor(now / (schedule.every * 1000)) + 1) * schedule.every * 1000;
  return nextDue(schedule, timezone, new Date(now))?.getTime() ?? Number.POSITIVE_INFINITY;
}
