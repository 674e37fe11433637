import type pg from "pg";
import type { Action, JobName, Step } from "./history.ts";
import { insist } from "./replay.ts";

/** A row of app.job_runs; times in microseconds. */
interface Run {
  readonly id: string;
  readonly job: JobName;
  readonly status: "running" | "succeeded" | "failed" | "skipped" | "abandoned";
  readonly more: boolean;
  readonly started: number;
  readonly finished: number | null;
}

/** Every run there is, with the time of the look and what was due then: a job's last due time, and its last but five minutes. */
export interface Runs {
  readonly now: number;
  readonly runs: readonly Run[];
  readonly due: Readonly<Record<JobName, number>>;
}

const MINUTE = 60_000_000;

/** Looks at the runs, all at one moment. */
export async function readRuns(client: pg.Client): Promise<Runs> {
  const { rows } = await client.query<{ runs: Runs }>(
    `with m as (select clock_timestamp() as now),
       micro as (
         select run_id::text as id, j.name as job, r.status, r.more,
           (extract(epoch from r.started_at) * 1000000)::bigint as started,
           (extract(epoch from r.finished_at) * 1000000)::bigint as finished
         from app.job_runs as r join app.jobs as j using (job_id)
       )
     select json_build_object(
       'now', (extract(epoch from m.now) * 1000000)::bigint,
       'runs', (select coalesce(json_agg(micro order by micro.id::bigint), '[]') from micro),
       'due', (select json_object_agg(j.name,
           (extract(epoch from app.last_due(j.name, m.now - interval '5 minutes')) * 1000000)::bigint)
         from app.jobs as j where j.enabled)
     ) as runs from m`,
  );
  return rows[0]!.runs;
}

/** Sets the clock for the runs too: what they say of time moves the other way. Who holds a claim is no time of a clock. */
export async function moveRuns(client: pg.Client, hours: number): Promise<void> {
  await client.query(
    `update app.job_runs
     set started_at = started_at - $1::interval, finished_at = finished_at - $1::interval, due = due - $1::interval`,
    [`${String(hours)} hours`],
  );
}

/**
 * What is true of the runs after a step: none that ended changes, none of a job goes beside another, nobody leaves more rows
 * than attempts, or fewer, and who asks for a due time gets a run when one is missing and none otherwise. Throws BrokenRule.
 */
export function checkRuns(before: Runs, after: Runs, step: Step & { readonly kind: "together" }): void {
  const known = new Map(before.runs.map((run) => [run.id, run]));
  for (const run of after.runs) {
    const was = known.get(run.id);
    if (was === undefined || was.status === "running") continue;
    insist(JSON.stringify(was) === JSON.stringify(run), "a run that ended stays as it is", { was, run });
  }
  insist(
    before.runs.every(({ id }) => after.runs.some((run) => run.id === id)),
    "no run goes",
    { before, after },
  );
  const isNew = (run: Run) => !known.has(run.id);
  for (const job of jobsOf(after)) {
    const runs = after.runs.filter((run) => run.job === job);
    insist(runs.filter(({ status }) => status === "running").length <= 1, "one run of a job has the claim", runs);
    checkOneAtATime(runs.filter(isNew));
    const attempts = step.actions.filter((action) => mayRun(action, job));
    const certain = attempts.filter(({ kind }) => kind === "run");
    const made = runs.filter(isNew);
    insist(made.length <= attempts.length, "no more rows than attempts", { job, attempts, made });
    insist(step.disturbance !== null || made.length >= certain.length, "every attempt leaves a row", { job, made });
  }
  const [only, ...others] = step.actions;
  if (only === undefined || others.length > 0 || step.disturbance !== null) return;
  checkAlone(before, after, only, after.runs.filter(isNew));
}

/** One undisturbed action: it runs what it is for, completely, and nothing else. */
function checkAlone(before: Runs, after: Runs, action: Action, made: readonly Run[]): void {
  if (action.kind === "call" || action.kind === "transaction") return;
  for (const job of jobsOf(after)) {
    const found = made.filter((run) => run.job === job);
    // What is due may change between two looks: either answer is right then.
    const wanted = [before, after].map((look) => wantsRun(action, job, { ...look, runs: before.runs }));
    insist(wanted.includes(found.length === 1), "a run is made when one is missing, and only then", {
      ...{ action, job, found, wanted, before },
    });
    insist(
      found.every(({ status, more }) => status === "succeeded" && !more),
      "a run that is alone goes well",
      found,
    );
  }
}

function wantsRun(action: Action, job: JobName, { now, runs, due }: Runs): boolean {
  const of = runs.filter((run) => run.job === job);
  switch (action.kind) {
    case "run":
      return action.job === job;
    case "due":
      return action.job === job && isOpen(of, now - action.minutes * MINUTE, now);
    case "catchUp":
      return !isClosed(of, due[job], now) && isOpen(of, due[job], now);
    case "call":
    case "transaction":
      return false;
  }
}

/** A complete success began since. */
function isClosed(runs: readonly Run[], due: number, now: number): boolean {
  return runs.some(({ status, more, started }) => status === "succeeded" && !more && started >= due && started <= now);
}

/**
 * Not closed, and min(2^n, 60) minutes after the last of n attempts since that failed, or whose session died: since it
 * failed, or since it began. An attempt that could not claim ends as it begins, and is none of them. What runs before a step
 * is dead: all sessions of the step before have ended.
 */
function isOpen(runs: readonly Run[], due: number, now: number): boolean {
  if (isClosed(runs, due, now)) return false;
  const failures = runs
    .map((run) => (run.status === "running" ? { ...run, status: "abandoned", finished: now } : run))
    .filter(({ status }) => status === "failed" || status === "abandoned")
    .filter(({ started, finished }) => started >= due && (finished ?? 0) > started && (finished ?? 0) <= now);
  const last = Math.max(
    ...failures.map(({ status, started, finished }) => (status === "failed" ? (finished ?? 0) : started)),
  );
  return failures.length === 0 || now >= last + Math.min(2 ** failures.length, 60) * MINUTE;
}

/** In the order of their claims, what ran ended before the next one began. */
function checkOneAtATime(runs: readonly Run[]): void {
  const ran = runs.filter(({ status }) => status !== "skipped" && status !== "running");
  for (const [i, run] of ran.entries()) {
    const next = ran[i + 1];
    // One that could not claim is recorded when it gave up, beside the one that held the claim.
    if (next === undefined || run.status === "failed" || next.status === "failed") continue;
    insist((run.finished ?? 0) <= next.started, "runs of a job do not overlap", [run, next]);
  }
}

function mayRun(action: Action, job: JobName): boolean {
  return action.kind === "catchUp" || ((action.kind === "run" || action.kind === "due") && action.job === job);
}

function jobsOf({ due }: Runs): readonly JobName[] {
  return Object.keys(due) as JobName[];
}
