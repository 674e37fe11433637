import { setTimeout } from "node:timers/promises";
import { type JobDefinition, JOBS } from "../spec/jobs.ts";
import { roleNames } from "../spec/names.ts";
import type { CellAddress } from "./address.ts";
import { codeOf, messageOf } from "./errors.ts";
import type { DueMember, GateOutcome } from "./gate-plan.ts";
import { quoteName } from "./roles.ts";
import { type Session, withSession } from "./session.ts";

/** Merchants whose jobs a gate runs at once; each has one connection, and one job at a time. */
const AT_ONCE = 4;
/** Seconds that a run may take beyond its time limit, for the batch that it is in, before it is cancelled. */
const GRACE_SECONDS = 300;
/** Milliseconds between two looks whether somebody else's run has ended. */
const BETWEEN_LOOKS = 500;

/** A merchant whose jobs must run, and where. */
export interface GateTarget extends DueMember {
  readonly address: CellAddress;
}

/** A row of app.jobs that is enabled. */
interface EnabledJob {
  readonly id: string;
  readonly name: string;
  readonly procedure: string;
  /** How long a run may take: the job's time limit, and the grace for the batch that it is in. */
  readonly seconds: number;
}

/** A row of app.job_runs. */
interface Run {
  readonly id: string;
  readonly status: string;
  readonly error: string | null;
  readonly sqlstate: string | null;
}

/**
 * Runs the enabled jobs of each merchant once, as its job role: each by the procedure that pg_cron calls, within the
 * job's time limit. All are run, also after one failed, so that a person hears of everything at once.
 */
export async function runGate(
  targets: readonly GateTarget[],
  options: { readonly graceSeconds?: number } = {},
): Promise<readonly GateOutcome[]> {
  const { graceSeconds = GRACE_SECONDS } = options;
  const outcomes: GateOutcome[] = [];
  const queue = [...targets];
  const work = async () => {
    for (let target = queue.shift(); target !== undefined; target = queue.shift())
      outcomes.push(await runMerchant(target, graceSeconds));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return outcomes.sort((one, other) => (one.merchant < other.merchant ? -1 : 1));
}

async function runMerchant(target: GateTarget, graceSeconds: number): Promise<GateOutcome> {
  const { merchant, address, database } = target;
  const about = `merchant ${merchant} of cell ${address.cell}`;
  const failures: string[] = [];
  const quarantined: string[] = [];
  let told: string | undefined;
  try {
    await withSession(address, database, async (session) => {
      for (const job of await readEnabledJobs(session, graceSeconds)) {
        const failure = await runJob(session, roleNames(database).jobRole, job);
        if (failure !== undefined) failures.push(`${about}, job ${job.name}: ${failure}`);
      }
      for (const { name, items, first, last } of await readQuarantine(session, target.told)) {
        quarantined.push(`${about}, job ${name}: ${items} in quarantine since its SQL was last applied; ${first}`);
        told = last;
      }
    });
  } catch (error) {
    failures.push(`${about}: ${messageOf(error)}`);
  }
  return { merchant, failures, quarantined, told };
}

/** catch_up is not among them: it has no row, and only runs the others when they are overdue. */
async function readEnabledJobs(session: Session, graceSeconds: number): Promise<readonly EnabledJob[]> {
  const { rows } = await session.query<{ id: string; name: string; seconds: string }>(
    `select j.job_id::text as id, j.name, j.time_limit_seconds::text as seconds
     from app.jobs as j where j.enabled order by j.name`,
  );
  const catalogue: Readonly<Record<string, JobDefinition>> = JOBS;
  return rows.flatMap(({ id, name, seconds }) => {
    const job = Object.hasOwn(catalogue, name) ? catalogue[name] : undefined;
    return job === undefined ? [] : [{ id, name, procedure: job.procedure, seconds: Number(seconds) + graceSeconds }];
  });
}

/** Runs a job now, once; gives what went wrong. A run that is out of time has succeeded as far as it came. */
async function runJob(session: Session, jobRole: string, job: EnabledJob): Promise<string | undefined> {
  const end = performance.now() + job.seconds * 1_000;
  for (;;) {
    const since = await waitForOthers(session, job, end);
    if (since !== undefined) return `another run of it, since ${since}, has not ended within the job's time limit`;
    const last = await readLastRun(session, job, "0");
    const error = await call(session, jobRole, job);
    const run = await readLastRun(session, job, last?.id ?? "0");
    if (error !== undefined) {
      const which = run === undefined ? "" : `run ${run.id} failed: `;
      return `${which}${run?.error ?? messageOf(error)} (${run?.sqlstate ?? codeOf(error) ?? "no code"})`;
    }
    if (run?.status === "succeeded") return undefined;
    // Somebody else's run began in between: that one may have begun before the merchant was changed.
    if (run?.status !== "skipped") return `no run of it was recorded by ${job.procedure}()`;
    if (performance.now() >= end) return "other runs of it kept it from running until the job's time limit";
  }
}

/** Waits until no run of the job is alive; gives since when one is that does not end in time. */
async function waitForOthers(session: Session, job: EnabledJob, end: number): Promise<string | undefined> {
  for (;;) {
    const { rows } = await session.query<{ since: string | null }>(
      "select (app.live_claim($1::bigint)).started_at::text as since",
      [job.id],
    );
    const since = rows[0]?.since ?? undefined;
    if (since === undefined || performance.now() >= end) return since;
    await setTimeout(BETWEEN_LOOKS);
  }
}

/** Calls the procedure with the rights that it has under pg_cron; gives its error. It commits: no transaction around it. */
async function call(session: Session, jobRole: string, job: EnabledJob): Promise<unknown> {
  await session.query(
    "select pg_catalog.set_config('statement_timeout', $1::text, false), pg_catalog.set_config('lock_timeout', '30s', false)",
    [`${job.seconds}s`],
  );
  await session.query(`set role ${quoteName(jobRole)}`);
  const error = await session.query(`call ${job.procedure.split(".").map(quoteName).join(".")}()`).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  await session.query("reset role");
  return error;
}

/** The newest run of the job that this session made after the one with this id. */
async function readLastRun(session: Session, job: EnabledJob, after: string): Promise<Run | undefined> {
  const { rows } = await session.query<Run>(
    `select r.run_id::text as id, r.status, r.error, r.error_sqlstate as sqlstate
     from app.job_runs as r
     where r.job_id = $1::bigint and r.run_id > $2::bigint and r.backend_pid = pg_catalog.pg_backend_pid()
     order by r.run_id desc limit 1`,
    [job.id, after],
  );
  return rows[0];
}

/**
 * Items that went to quarantine since the SQL files were applied and after `told`, whichever run put them there: by job.
 * `last` is when the last of all of them did, in ISO 8601.
 */
async function readQuarantine(session: Session, told: string | undefined) {
  const { rows } = await session.query<{ name: string; items: string; first: string; last: string }>(
    `select j.name,
       pg_catalog.count(*) || case when pg_catalog.count(*) = 1 then ' item is' else ' items are' end as items,
       (pg_catalog.array_agg(
         pg_catalog.format('%s: %s (%s)', q.item, q.error, q.error_sqlstate) order by q.since, q.item
       ))[1] as first,
       pg_catalog.to_json(pg_catalog.max(pg_catalog.max(q.since)) over ()) #>> '{}' as last
     from app.job_quarantine as q
     join app.jobs as j using (job_id)
     where j.enabled and q.since >= (select pg_catalog.max(f.applied_at) from merchant_jobs.applied_files as f)
       and q.since > coalesce($1::timestamptz, '-infinity')
     group by j.name order by j.name`,
    [told],
  );
  return rows;
}
