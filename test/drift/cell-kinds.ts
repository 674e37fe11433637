import type { DriftKind } from "./kinds.ts";

const job = "where jobname = 'merchant-jobs:cleanup_run_details'";

/** What is done to a cell's own job, or left behind in its crontab. */
export const cellKinds: readonly DriftKind[] = [
  {
    kind: "the cell's own job changed",
    at: "home",
    in: "cron",
    by: `update cron.job set schedule = '0 0 * * *', active = false ${job}`,
    resource: "cron",
    shows: [
      '+ job merchant-jobs:cleanup_run_details: "20 4 * * * CALL merchant_jobs.cleanup_run_details() => 0 0 * * * CALL merchant_jobs.cleanup_run_details() (paused)"',
    ],
  },
];
