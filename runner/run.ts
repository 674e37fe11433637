import pg from "pg";
import { messageOf } from "../converge/errors.ts";
import { connect, type Server } from "./connection.ts";
import type { LiveRun } from "./live-runs.ts";
import { type JobLook, readJobs } from "./look.ts";

/** A call that is to be made. */
export interface Task {
  readonly merchant: string;
  readonly database: string;
  /** Undefined: all that is overdue. */
  readonly job: string | undefined;
  /** The due time that it is for, by the server's clock. */
  readonly due: number;
  /** Seconds, after which the run ends itself between two batches. */
  readonly timeLimitSeconds: number;
}

/** A row of app.job_runs that the call wrote. */
export interface RunRow {
  readonly run: string;
  readonly job: string;
  readonly status: string;
  readonly rows: number;
  readonly quarantined: number;
  readonly more: boolean;
  readonly seconds: number;
  /** When it began, in milliseconds since 1970. */
  readonly startedAt: number;
}

/** What came of a call. */
export interface Outcome {
  /** None when there was nothing to do any more. */
  readonly runs: readonly RunRow[];
  /** What the call raised. */
  readonly error: { readonly code: string | undefined; readonly message: string } | undefined;
  /** How the merchant's jobs are now; undefined when that was not asked. */
  readonly jobs: readonly JobLook[] | undefined;
}

/** Milliseconds between a job's own limit, which it keeps between two batches, and when its statement is given up. */
const OVER_LIMIT = 15 * 60_000;

/** Who wants to know of a call. */
export interface CallListener {
  /** Gets the process, by which it can be cancelled. */
  readonly started: (run: LiveRun) => void;
  /** The call has its answer; what follows only asks about it. */
  readonly ended: () => void;
  /** Asked after it: whether the merchant's jobs shall be looked at too. */
  readonly looksAtJobs: () => boolean;
}

/**
 * Makes one call on a connection of its own, then asks on it what came of it. An error that the call raised is part of
 * the outcome; throws what went wrong with the connection.
 */
export async function makeCall(server: Server, task: Task, listener: CallListener): Promise<Outcome> {
  const connection = await connect(server, task.database, task.timeLimitSeconds * 1000 + OVER_LIMIT);
  const { client } = connection;
  try {
    listener.started({ pid: (client as unknown as { processID: number }).processID, cut: connection.cut });
    let error: Outcome["error"];
    try {
      if (task.job === undefined) await client.query("call app.run_overdue()");
      else await client.query("call app.run_job($1::text, $2::timestamptz)", [task.job, new Date(task.due)]);
    } catch (raised) {
      if (!(raised instanceof pg.DatabaseError) || raised.severity === "FATAL") throw raised;
      error = { code: raised.code, message: messageOf(raised) };
    }
    listener.ended();
    const runs = await readOwnRuns(client);
    return { error, runs, jobs: listener.looksAtJobs() ? await readJobs(client) : undefined };
  } finally {
    await connection.close();
  }
}

/** The view pg_stat_activity would name databases and roles too, which takes longer than the rest of this. */
async function readOwnRuns(client: pg.ClientBase): Promise<readonly RunRow[]> {
  const { rows } = await client.query<Omit<RunRow, "startedAt"> & { started: Date }>(
    `select r.run_id::text as run, j.name as job, r.status, r.affected_rows::float8 as rows,
       r.quarantined::integer as quarantined, r.more, r.started_at as started,
       coalesce(extract(epoch from r.finished_at - r.started_at), 0)::float8 as seconds
     from app.job_runs as r
     join app.jobs as j on j.job_id = r.job_id
     where r.backend_pid = pg_catalog.pg_backend_pid()
       and r.started_at >= (
         select a.backend_start from pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid()) as a
       )
     order by r.run_id`,
  );
  return rows.map(({ started, ...row }) => ({ ...row, startedAt: started.getTime() }));
}
