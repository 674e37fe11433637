import type { Logger } from "pino";
import type { Outcome, Task } from "./run.ts";

/** Logs what came of a call: a line for each run, and one for an error. */
export function logCall(log: Logger, task: Task, { runs, error }: Outcome): void {
  const about = { merchant: task.merchant, due: new Date(task.due).toISOString() };
  for (const { run, job, status, rows, seconds, more, quarantined } of runs) {
    const level = status === "failed" ? "error" : "info";
    log[level]({ ...about, job, run, status, rows, seconds, more, quarantined }, `run ${status}`);
  }
  if (error === undefined) return;
  log.error({ ...about, job: task.job ?? "run_overdue", sqlstate: error.code, err: error.message }, "the call failed");
}
