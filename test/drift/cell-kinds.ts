import type { DriftKind } from "./kinds.ts";
import type { RefusedKind } from "./refused-kinds.ts";

const job = "where jobname = 'merchant-jobs:cleanup_run_details'";

/** What is done to a cell's own job. */
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

/** Needs a look of its own: there is nothing left to change in the crontabs. */
export const allJobsGone: DriftKind = {
  kind: "all jobs of a cell deleted",
  at: "home",
  in: "cron",
  by: "delete from cron.job",
  resource: "cron",
  shows: ['+ job merchant-jobs:cleanup_run_details: "gone"'],
};

/** A problem of a cell that its probe shows, with what repairs it. */
export interface CellProblem extends RefusedKind {
  /** A setting that older versions of pg_cron do not have; there is nothing to change on a server that lacks it. */
  readonly setting?: string;
}

type Problem = readonly [kind: string, by: string, about: string, repair: string, setting?: string];

const nowhere = "alter system set cron.database_name = 'nowhere'";
const restart = "and restart the server";

const problems: readonly Problem[] = [
  [
    "another cron.database_name",
    nowhere,
    "cron.database_name",
    `alter system set cron.database_name = 'cron'; ${restart}`,
  ],
  [
    "pg_cron's launcher restarting in a loop",
    nowhere,
    "launcher",
    "repair the role named here, and it is back within a second",
  ],
  [
    "another zone of pg_cron",
    "alter system set cron.timezone = 'Europe/Berlin'",
    "cron.timezone",
    `alter system set cron.timezone = 'GMT'; ${restart}`,
    "cron.timezone",
  ],
  [
    "cron.launch_active_jobs off",
    "alter system set cron.launch_active_jobs = off",
    "cron.launch_active_jobs",
    "alter system set cron.launch_active_jobs = 'on'; select pg_reload_conf();",
    "cron.launch_active_jobs",
  ],
  [
    "pg_cron not in background-worker mode",
    "alter system set cron.use_background_workers = off",
    "cron.use_background_workers",
    `alter system set cron.use_background_workers = 'on'; ${restart}`,
  ],
  [
    "cron.max_running_jobs not below max_worker_processes",
    "alter system set max_worker_processes = 5",
    "cron.max_running_jobs",
    `alter system set max_worker_processes = '13'; ${restart}`,
  ],
  [
    "what sessions do hidden from everybody",
    "alter system set track_activities = off",
    "track_activities",
    "alter system set track_activities = 'on'; select pg_reload_conf();",
  ],
  [
    "a role dropped that owns jobs",
    "create role lost login; insert into cron.job (schedule, command, database, username) values ('0 0 1 1 *', 'x', 'cron', 'lost'); drop role lost",
    "role lost",
    'create role \\"lost\\" login; grant \\"lost\\" to current_user; select cron.unschedule(',
  ],
];

/** With these `up` leaves the merchants of the cell alone. */
export const cellProblems: readonly CellProblem[] = problems.map(([kind, by, about, repair, setting]) => ({
  ...shownByProbe(kind, by, about, repair),
  ...(setting !== undefined && { setting }),
}));

/** Hides the others, so it is done by itself. */
export const notLoaded: RefusedKind = shownByProbe(
  "pg_cron not preloaded",
  "alter system set shared_preload_libraries = 'pg_stat_statements'",
  "shared_preload_libraries",
  `add pg_cron to shared_preload_libraries (on RDS in the parameter group) ${restart}`,
);

/** Harms nobody: `up` goes on. */
export const leftOver: RefusedKind = shownByProbe(
  "a job left over from an offboarded merchant",
  "create role left_job login; insert into cron.job (jobname, schedule, command, database, username) values ('gone:lot_expiry', '0 0 1 1 *', 'CALL app.expire_lots()', 'merchant_gone', 'left_job')",
  "job gone:lot_expiry",
  "select cron.unschedule(",
);

function shownByProbe(kind: string, by: string, about: string, repair: string): RefusedKind {
  const shows = [`+ ${about}: "`, repair];
  return { kind, at: "home", in: "cron", by, resource: "probe", shows, refused: repair };
}
