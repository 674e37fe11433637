import { setTimeout } from "node:timers/promises";
import type { Scheduler } from "../spec/cells.ts";
import type { CellAddress } from "./address.ts";
import { assertCanLook, assertRuns, assertSupported, readCronRows } from "./cron-server.ts";
import {
  type CronRow,
  type CrontabStep,
  type DesiredCrontab,
  type FoundJob,
  foundJobs,
  planCrontab,
} from "./crontab-plan.ts";
import { ConvergeError, codeOf, SQLSTATE } from "./errors.ts";
import { type EngineJob, applyEngineJobs, type FoundEngineJob, readEngineJobs } from "./engine-jobs.ts";
import { assertSameDatabase, planRegistry, readRegistry, removeFromRegistry, writeRegistry } from "./registry.ts";
import { quoteName } from "./roles.ts";
import { endedBy, readRunning, type RunningJob, RUN_PATIENCE, stillRunning } from "./running-jobs.ts";
import { alter, asScheduler, schedule } from "./scheduling.ts";
import { lockInTransaction, type Session, withCronSession, withTransaction } from "./session.ts";

/** A merchant's crontab, with what the job engine in its database must know of each job. */
export interface CrontabTarget extends DesiredCrontab {
  readonly address: CellAddress;
  readonly engineJobs: Readonly<Record<string, EngineJob>>;
}

/** Whose crontab it is: what is needed to look. */
export type CrontabOwner = Omit<CrontabTarget, "jobs" | "engineJobs" | "suspended">;

/** A merchant's crontab as it was found. */
export interface CrontabState {
  /** Whether the registry has this merchant with this database and job role. */
  readonly registered: boolean;
  readonly suspended: boolean;
  /** Who starts its jobs, by the registry; undefined when that does not have it. */
  readonly scheduler: Scheduler | undefined;
  /** Jobs of pg_cron; where the runner starts the jobs there shall be none. */
  readonly jobs: Readonly<Record<string, FoundJob>>;
  /** Rows of app.jobs; undefined when the merchant's database is not there. */
  readonly engineJobs: Readonly<Record<string, FoundEngineJob>> | undefined;
}

/** A row that was written may still differ (pg_cron 1.4 keeps the old database): look again, then alter. */
const MOST_ROUNDS = 3;
/** Milliseconds between two looks whether a run has ended. */
const BETWEEN_LOOKS = 500;

/** Reads a merchant's crontab; undefined when nothing of it is there. Throws `cannot_look` rather than report a loss. */
export async function readCrontab(owner: CrontabOwner): Promise<CrontabState | undefined> {
  // Both at once: who reads the merchant's database now can share the connection.
  const [found, engineJobs] = await Promise.all([
    withCronSession(owner.address, async (session) => {
      await assertCanLook(session, owner.address);
      const entry = await readRegistry(session, owner.merchant);
      assertSameDatabase(owner.address.cell, owner, entry);
      return { rows: await readCronRows(session, owner.address, owner), entry };
    }),
    readEngineJobs(owner.address, owner.database),
  ]);
  const isRunning = owner.address.scheduler === "runner" && Object.keys(engineJobs ?? {}).length > 0;
  if (found.rows.length === 0 && found.entry === undefined && !isRunning) return undefined;
  const { suspended = false, scheduler } = found.entry ?? {};
  const asFound = { suspended, scheduler: scheduler ?? owner.address.scheduler };
  return {
    registered: planRegistry({ ...owner, ...asFound }, found.entry).length === 0,
    suspended,
    scheduler,
    jobs: foundJobs({ ...owner, suspended }, found.rows),
    engineJobs,
  };
}

/**
 * Brings crontab, registry and app.jobs to what is declared; where the runner starts the jobs, pg_cron has none of them. Gives
 * the steps that were taken. Waits for runs that the steps would end, up to `patience` milliseconds, and throws `in_use` then.
 */
export async function applyCrontab(
  target: CrontabTarget,
  options: { readonly patience?: number } = {},
): Promise<readonly CrontabStep[]> {
  const { patience = RUN_PATIENCE } = options;
  await withCronSession(target.address, (session) => assertReady(session, target));
  // First what a job needs, then the job: pg_cron may start it the moment the transaction commits. And first that a job
  // shall rest: one that pg_cron starts from now on does nothing (but on a schedule of seconds, which has no due times), so
  // that after the last run has ended none is cancelled.
  await applyEngineJobs(target.address, target.database, target.engineJobs);
  const end = performance.now() + patience;
  for (;;) {
    const { done, running } = await withCronSession(target.address, (session) =>
      withTransaction(session, () => takeAllSteps(session, target)),
    );
    if (running.length === 0) return done;
    if (performance.now() >= end)
      throw stillRunning(`merchant ${target.merchant} of cell ${target.address.cell}`, running, patience);
    // Without the lock: other merchants go on meanwhile.
    await setTimeout(BETWEEN_LOOKS);
  }
}

/** Takes every step, or none while something runs that a step would end. */
async function takeAllSteps(
  session: Session,
  target: CrontabTarget,
): Promise<{ readonly done: readonly CrontabStep[]; readonly running: readonly RunningJob[] }> {
  const { scheduler } = target.address;
  await lockInTransaction(session, "crontab");
  const entry = await readRegistry(session, target.merchant);
  assertSameDatabase(target.address.cell, target, entry);
  const done: CrontabStep[] = [];
  for (let round = 0; ; round += 1) {
    const rows = await readCronRows(session, target.address, target);
    const steps = planCrontab(scheduler === "runner" ? { ...target, jobs: {} } : target, rows);
    if (steps.length === 0) break;
    if (round === MOST_ROUNDS) throw stuck(target, steps);
    const running = round === 0 ? await readRunning(session, endedBy(steps, rows)) : [];
    if (running.length > 0) return { done, running };
    await takeSteps(session, target, steps);
    done.push(...steps);
  }
  const desired = { ...target, scheduler };
  if (planRegistry(desired, entry).length > 0) await writeRegistry(session, desired);
  return { done, running: [] };
}

/**
 * Unschedules everything of a merchant that is being offboarded, and forgets it in the registry. Throws
 * `not_offboarding` when the registry does not say so: without this, `--target` would go around the roster.
 */
export async function deleteCrontab(owner: CrontabOwner): Promise<void> {
  await withCronSession(owner.address, (session) =>
    withTransaction(session, async () => {
      await lockInTransaction(session, "crontab");
      await assertCanLook(session, owner.address);
      const entry = await readRegistry(session, owner.merchant);
      const rows = await readCronRows(session, owner.address, owner);
      if (entry === undefined && rows.length === 0) return;
      if (entry?.dropping === "begun") {
        throw new ConvergeError(
          "not_offboarding",
          `merchant ${owner.merchant} of cell ${owner.address.cell}: its drop was begun, and nobody made sure that its export ` +
            "holds what its database does: its crontab stays; run up again",
        );
      }
      if (entry?.dropping !== "ready") {
        throw new ConvergeError(
          "not_offboarding",
          `merchant ${owner.merchant} of cell ${owner.address.cell} is not being offboarded: its crontab stays; ` +
            "put its line back into the stack file, and set suspended: true to pause it",
        );
      }
      await takeSteps(
        session,
        owner,
        rows.map((row) => ({ kind: "unschedule", jobid: row.jobid, label: row.jobname ?? "" })),
      );
      const left = await readCronRows(session, owner.address, owner);
      if (left.length > 0) throw stuck(owner, []);
      await removeFromRegistry(session, owner.merchant);
    }),
  );
}

/**
 * Unschedules these jobs of a merchant, whoever's they are, once none of them runs: pg_cron would end its run. Throws
 * `missing_right` with the statement that does it, and `in_use` where one runs for longer than `patience` milliseconds.
 */
export async function removeJobs(
  owner: CrontabOwner,
  rows: readonly CronRow[],
  patience: number = RUN_PATIENCE,
): Promise<void> {
  const steps = rows.map(({ jobid, jobname }) => ({ kind: "unschedule", jobid, label: jobname ?? "" }) as const);
  const end = performance.now() + patience;
  for (;;) {
    const running = await withCronSession(owner.address, (session) =>
      withTransaction(session, async () => {
        await lockInTransaction(session, "crontab");
        const found = await readRunning(session, endedBy(steps, rows));
        if (found.length === 0) await takeSteps(session, owner, steps);
        return found;
      }),
    );
    if (running.length === 0) return;
    if (performance.now() >= end)
      throw stillRunning(`merchant ${owner.merchant} of cell ${owner.address.cell}`, running, patience);
    await setTimeout(BETWEEN_LOOKS);
  }
}

async function assertReady(session: Session, target: CrontabTarget): Promise<void> {
  const version = await assertCanLook(session, target.address);
  // The runner has every schedule, and logs in itself.
  if (target.address.scheduler === "runner" || version === undefined) return;
  const schedules = Object.fromEntries(Object.entries(target.jobs).map(([job, { schedule }]) => [job, schedule]));
  assertSupported(target.address.cell, version, schedules);
  await assertRuns(session, target.address);
}

async function takeSteps(session: Session, owner: CrontabOwner, steps: readonly CrontabStep[]): Promise<void> {
  const ours = steps.filter((step) => step.kind !== "unschedule");
  if (ours.length > 0) {
    await asScheduler(session, owner.jobRole, async () => {
      for (const step of ours) {
        if (step.kind === "schedule") await schedule(session, { ...step, database: owner.database });
        else await alter(session, step);
      }
    });
  }
  for (const step of steps) {
    if (step.kind === "unschedule") await unschedule(session, owner, step);
  }
}

async function unschedule(session: Session, owner: CrontabOwner, step: CrontabStep & { readonly kind: "unschedule" }) {
  try {
    await session.query("select cron.unschedule($1::bigint)", [step.jobid]);
  } catch (error) {
    if (codeOf(error) !== SQLSTATE.insufficientPrivilege) throw error;
    throw new ConvergeError(
      "missing_right",
      `cell ${owner.address.cell}: ${owner.address.user} may not remove job ${step.label} of another user; ` +
        `a superuser can, in database cron: select cron.unschedule(${step.jobid}); ` +
        `or let it: grant delete on cron.job to ${quoteName(owner.address.user)};`,
      { cause: error },
    );
  }
}

function stuck(owner: CrontabOwner, steps: readonly CrontabStep[]): ConvergeError {
  return new ConvergeError(
    "not_healed",
    `merchant ${owner.merchant} of cell ${owner.address.cell}: the crontab is still not as it was written` +
      `${steps.length > 0 ? ` (${steps.map((step) => JSON.stringify(step)).join(", ")})` : ""}; ` +
      "nothing was changed: is somebody else changing cron.job?",
  );
}
