import { setTimeout as pause } from "node:timers/promises";
import { type CrontabOwner, applyCrontab } from "./crontab.ts";
import { readCronRows } from "./cron-server.ts";
import { applyEngineJobs } from "./engine-jobs.ts";
import { ConvergeError } from "./errors.ts";
import { dropScratch } from "./export.ts";
import { type DroppingMark, readRegistry, setDroppingMark } from "./registry.ts";
import { withCronSession, withSession, withTransaction, lockInTransaction } from "./session.ts";

/** A merchant that leaves. */
export interface Leaver extends CrontabOwner {
  readonly ownerRole: string;
  readonly appRole: string;
}

/** Milliseconds between two looks whether the runs have ended. */
const INTERVAL = 250;

/**
 * Lets no further run begin, and waits for those that are under way: taking their jobs out of the crontab would cancel
 * them. Throws `in_use`, naming them, when they have not ended by `until` (as Date.now() gives it).
 */
export async function restJobs(leaver: Leaver, until: number): Promise<void> {
  const { address, database, merchant } = leaver;
  await applyEngineJobs(address, database, {});
  for (;;) {
    const running = await readRuns(leaver);
    if (running.length === 0) return;
    if (Date.now() >= until) {
      throw new ConvergeError(
        "in_use",
        `merchant ${merchant} of cell ${address.cell}: ${running.join(", ")} had not ended within the time limit; no ` +
          "further run begins: wait for it, or cancel it, then run up again",
      );
    }
    await pause(INTERVAL);
  }
}

/** Runs that are alive, and whatever else the job role does: a run that is only just beginning has no row yet. */
async function readRuns({ address, database, jobRole }: Leaver): Promise<readonly string[]> {
  return withSession(address, database, async (session) => {
    const { rows } = await session.query<{ what: string }>(
      `select pg_catalog.format('the run of job %s by process %s', j.name, r.backend_pid) as what
       from app.jobs as j
       join app.job_runs as r on r.job_id = j.job_id and r.status = 'running'
       where (app.live_claim(j.job_id)).run_id is not null
       union all
       select pg_catalog.format('process %s of role %s', a.pid, a.usename)
       from pg_catalog.pg_stat_activity as a
       where a.datname = pg_catalog.current_database() and a.usename in ($1::text, 'merchant_jobs_runner')
         and a.state <> 'idle'
         and not exists (select from app.job_runs as r where r.status = 'running' and r.backend_pid = a.pid)`,
      [jobRole],
    );
    return rows.map(({ what }) => what);
  });
}

/** Takes every job of the merchant out of the crontab, and sees that none is left. Its entry in the registry stays. */
export async function unscheduleAll(leaver: Leaver): Promise<void> {
  await applyCrontab({ ...leaver, suspended: true, jobs: {}, engineJobs: {} });
}

/** What of a merchant is on its cell, in words, for a person. */
export interface Remains {
  /** Databases, roles, jobs and its entry; empty when nothing is. */
  readonly things: readonly string[];
  /** Whether it has its jobs: in pg_cron's crontab, or where the runner starts them, that they do not all rest. */
  readonly hasJobs: boolean;
  /** It is in the registry; when so, whether it is marked as being dropped. */
  readonly registered: boolean;
  readonly dropping: boolean;
}

/** Looks what of a merchant is on its cell. */
export async function readRemains(leaver: Leaver): Promise<Remains> {
  const { address, database, merchant, ownerRole, appRole, jobRole } = leaver;
  return withCronSession(address, async (session) => {
    const entry = await readRegistry(session, merchant);
    const jobs = await readCronRows(session, address, { database, jobRole });
    const found = await session.query<{ thing: string }>(
      `select 'database ' || d.datname as thing from pg_catalog.pg_database as d where d.datname = $1::text
       union all
       select 'role ' || r.rolname from pg_catalog.pg_roles as r where r.rolname = any ($2::text[])
       order by 1`,
      [database, [ownerRole, appRole, jobRole]],
    );
    const registered = entry?.database === database;
    return {
      things: [
        ...found.rows.map(({ thing }) => thing),
        ...(jobs.length > 0 ? [`${jobs.length} cron jobs`] : []),
        ...(registered ? ["its entry in merchant_jobs.merchants of database cron"] : []),
      ],
      hasJobs: jobs.length > 0 || (address.scheduler === "runner" && registered && !entry.suspended),
      registered,
      dropping: entry?.dropping !== undefined,
    };
  });
}

/** Throws `not_offboarding` when something of a merchant, whose line was taken out, is still on its cell. */
export async function assertGone(leaver: Leaver): Promise<void> {
  const { things } = await readRemains(leaver);
  if (things.length === 0) return;
  throw new ConvergeError(
    "not_offboarding",
    `merchant ${leaver.merchant} of cell ${leaver.address.cell} was not dropped to the end (there is ${things.join(", ")}); ` +
      "nothing was touched: put its line back with drop: true and confirm, run up until that ends well, then take it out",
  );
}

/**
 * Forgets an offboarding: one that was done to its end, or one that was taken back, after which the merchant has its jobs
 * again. Throws `not_offboarding` for anything between, where it is all that remembers the export.
 */
export async function forgetOffboarding(leaver: Leaver): Promise<void> {
  const { things, hasJobs, registered, dropping } = await readRemains(leaver);
  if (things.length > 0 && !(registered && hasJobs)) {
    throw new ConvergeError(
      "not_offboarding",
      `merchant ${leaver.merchant} of cell ${leaver.address.cell}: the record of its export stays, because it was neither ` +
        `dropped (there is ${things.join(", ")}) nor taken back: put its line back, with offboard, and go on from there` +
        // With all its jobs at rest it looks there as it did while it was leaving.
        (leaver.address.scheduler === "runner"
          ? "; or take it back without suspended, which may return afterwards"
          : ""),
    );
  }
  if (dropping) await markDropping(leaver, undefined);
  await dropScratch(leaver);
}

/** Marks a merchant in the registry as being dropped, or takes the mark away. */
export async function markDropping({ address, merchant }: Leaver, mark: DroppingMark | undefined): Promise<void> {
  await withCronSession(address, (session) =>
    withTransaction(session, async () => {
      await lockInTransaction(session, "crontab");
      await setDroppingMark(session, merchant, mark);
    }),
  );
}
