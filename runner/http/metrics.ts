import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Knowledge, MerchantKnowledge } from "../knowledge.ts";
import { missedSince } from "../missed.ts";
import type { Outcome, Task } from "../run.ts";
import { steadyNow } from "../steady-clock.ts";
import { findTroubles } from "../trouble.ts";

/** Merchants that have series of their own; those after them are counted, and in the page and `/health`. */
const MOST_MERCHANTS = 5_000;

/** What Prometheus reads. */
export interface Metrics {
  readonly contentType: string;
  /** Tells of a call that was made. */
  readonly observe: (cell: string, task: Task, outcome: Outcome) => void;
  /** The text of everything that is known now. */
  render(knowledge: Knowledge): Promise<string>;
}

/** Makes the metrics of one service. */
export function createMetrics(): Metrics {
  const registers = [new Registry()];
  const [registry] = registers as [Registry];
  const calls = countersOf(registers);
  const gauges = gaugesOf(registers);
  return {
    contentType: registry.contentType,
    observe(cell, task, { runs, error }) {
      for (const { job, status, seconds, rows, startedAt } of runs) {
        calls.runs.inc({ cell, job, status });
        calls.seconds.observe({ cell, job }, seconds);
        calls.rows.inc({ cell, job }, rows);
        if (task.job !== undefined) calls.lag.observe({ cell }, Math.max(0, startedAt - task.due) / 1000);
      }
      if (error !== undefined && runs.length === 0) calls.refused.inc({ cell });
    },
    async render(knowledge) {
      fill(gauges, knowledge, steadyNow());
      return await registry.metrics();
    },
  };
}

function countersOf(registers: Registry[]) {
  const jobLabels = ["cell", "job"];
  return {
    runs: new Counter({
      name: "merchant_jobs_runs_total",
      help: "Runs that this runner started, by how they ended.",
      labelNames: [...jobLabels, "status"],
      registers,
    }),
    rows: new Counter({
      name: "merchant_jobs_rows_total",
      help: "Items that the runs of this runner did.",
      labelNames: jobLabels,
      registers,
    }),
    refused: new Counter({
      name: "merchant_jobs_calls_failed_total",
      help: "Calls that failed before there was a run.",
      labelNames: ["cell"],
      registers,
    }),
    seconds: new Histogram({
      name: "merchant_jobs_run_duration_seconds",
      help: "How long the runs of this runner took.",
      labelNames: jobLabels,
      buckets: [0.01, 0.1, 1, 10, 60, 600, 3600],
      registers,
    }),
    lag: new Histogram({
      name: "merchant_jobs_run_lag_seconds",
      help: "From the due time to the begin of a run.",
      labelNames: ["cell"],
      buckets: [0.1, 0.5, 1, 5, 15, 60, 300, 3600],
      registers,
    }),
  };
}

function gaugesOf(registers: Registry[]) {
  const gauge = (name: string, help: string, ...labelNames: string[]) =>
    new Gauge({ name: `merchant_jobs_${name}`, help, labelNames, registers });
  return {
    merchants: gauge("merchants", "Merchants of a cell.", "cell"),
    troubles: gauge("troubles", "Things that are wrong, by kind.", "cell", "kind"),
    severe: gauge("severe_troubles", "Things that did not run, or of which nobody knows whether they did.", "cell"),
    age: gauge("cell_age_seconds", "Age of what is known of a cell.", "cell"),
    launcher: gauge("launcher_up", "Whether pg_cron's launcher runs.", "cell"),
    rescuing: gauge("rescuing", "Whether this runner does what pg_cron has left.", "cell"),
    skew: gauge("clock_skew_seconds", "What the server's clock is ahead of the one here.", "cell"),
    connections: gauge("connections", "Connections that are open.", "cell"),
    merchantAge: gauge("merchant_age_seconds", "Age of what is known of a merchant.", "cell", "merchant"),
    overdue: gauge("overdue_seconds", "For how long a job has been overdue.", "cell", "merchant", "job"),
    success: gauge(
      "last_success_timestamp_seconds",
      "When the newest run began that left nothing over.",
      "cell",
      "merchant",
      "job",
    ),
    failures: gauge("failures_in_row", "Runs that failed since the last success.", "cell", "merchant", "job"),
    quarantined: gauge("quarantined_items", "Items that a job could not do.", "cell", "merchant", "job"),
  };
}

/** Everything anew: a merchant that is there no more has no series any more. */
function fill(gauges: ReturnType<typeof gaugesOf>, knowledge: Knowledge, now: number): void {
  for (const gauge of Object.values(gauges)) gauge.reset();
  let left = MOST_MERCHANTS;
  for (const { cell, merchants, ...known } of knowledge.cells.values()) {
    gauges.merchants.set({ cell }, merchants.size);
    gauges.severe.set({ cell }, 0);
    gauges.connections.set({ cell }, known.connections);
    gauges.rescuing.set({ cell }, known.rescuingSince === undefined ? 0 : 1);
    gauges.age.set({ cell }, (now - (known.seenAt ?? known.knownSince)) / 1000);
    gauges.skew.set({ cell }, known.clockSkew / 1000);
    if (known.launcher !== undefined) gauges.launcher.set({ cell }, known.launcher ? 1 : 0);
    for (const merchant of merchants.values()) {
      left -= 1;
      if (left >= 0) fillMerchant(gauges, cell, merchant, { now, serverNow: now + known.serverOffset });
    }
  }
  for (const { cell, kind, severe } of findTroubles(knowledge, now)) {
    gauges.troubles.inc({ cell, kind });
    if (severe) gauges.severe.inc({ cell });
  }
}

function fillMerchant(
  gauges: ReturnType<typeof gaugesOf>,
  cell: string,
  { merchant, jobs, seenAt, knownSince }: MerchantKnowledge,
  { now, serverNow }: { readonly now: number; readonly serverNow: number },
): void {
  gauges.merchantAge.set({ cell, merchant }, (now - (seenAt ?? knownSince)) / 1000);
  for (const { enabled, ...known } of jobs) {
    if (!enabled) continue;
    const { job, lastSuccessAt, failuresInRow, quarantined } = known;
    const missed = missedSince(known);
    const labels = { cell, merchant, job };
    if (lastSuccessAt !== undefined) gauges.success.set(labels, lastSuccessAt / 1000);
    if (missed !== undefined) gauges.overdue.set(labels, Math.max(0, serverNow - missed) / 1000);
    if (failuresInRow > 0) gauges.failures.set(labels, failuresInRow);
    if (quarantined > 0) gauges.quarantined.set(labels, quarantined);
  }
}
