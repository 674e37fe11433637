import { busiestMinute } from "../busiest-minute.ts";
import type { MerchantSpec } from "../merchants.ts";
import { INSTANCE_CLASSES } from "./instance-classes.ts";
import type { Parameters } from "./parameters.ts";

/** What of a cell the sizing needs. */
export interface SizedCell {
  readonly name: string;
  readonly instanceClass: string;
  /** All parameters of its group; without those of pg_cron only connections are measured. */
  readonly parameters: Parameters;
  readonly connectionsPerMerchant: number;
  readonly secondsPerJob: number;
}

/** One limit of a cell, and how much of it is used. */
export interface Measure {
  readonly what: "connections" | "worker processes" | "jobs in the busiest minute";
  readonly used: number;
  readonly of: number;
  /** How `used` and `of` come about. */
  readonly because: string;
  /** What makes it fit. */
  readonly fix: string;
}

/** From here on a preview warns; above all of it, the stack is refused. */
export const WARN_FROM = 0.8;

/** The formula of RDS: LEAST(DBInstanceClassMemory / 9531392, 5000), with the nominal memory in bytes. */
const BYTES_PER_CONNECTION = 9_531_392;
const MOST_CONNECTIONS = 5_000;

/** PostgreSQL and RDS keep 5 for administrators; converging, the runner, monitoring and RDS itself have 15. */
const KEPT_CONNECTIONS = 20;

/** The launchers of pg_cron and of logical replication. */
const LAUNCHERS = 2;

/** `max_connections` of an instance class as RDS computes it. */
export function defaultConnections(instanceClass: string): number {
  const bytes = (INSTANCE_CLASSES[instanceClass]?.memoryGib ?? 0) * 1024 ** 3;
  return Math.min(Math.floor(bytes / BYTES_PER_CONNECTION), MOST_CONNECTIONS);
}

/** How many merchants a cell has connections for, when each may have what is usual. */
export function roomFor(cell: SizedCell): number {
  return Math.max(0, Math.floor((connectionsOf(cell) - KEPT_CONNECTIONS) / cell.connectionsPerMerchant));
}

/** Everything that limits how many merchants a cell can hold. */
export function measureCell(cell: SizedCell, merchants: readonly MerchantSpec[]): readonly Measure[] {
  const own = merchants.filter((merchant) => merchant.cell === cell.name);
  const shares = own.map(({ connectionLimit }) => shareOf(connectionLimit, cell.connectionsPerMerchant));
  const connections = shares.reduce((sum, share) => sum + share, 0);
  return [
    {
      what: "connections",
      used: connections + KEPT_CONNECTIONS,
      of: connectionsOf(cell),
      because:
        `${connections} of ${own.length} merchants, at most ${cell.connectionsPerMerchant} each, and ${KEPT_CONNECTIONS} ` +
        `that are kept; max_connections of ${cell.instanceClass}`,
      fix: "move merchants to another cell, take a larger instanceClass, or lower connectionsPerMerchant",
    },
    ...measureJobs(cell, merchants),
  ];
}

function measureJobs(cell: SizedCell, merchants: readonly MerchantSpec[]): readonly Measure[] {
  const { "cron.max_running_jobs": jobsAtOnce, max_worker_processes: workers } = cell.parameters;
  if (jobsAtOnce === undefined || workers === undefined) return [];
  const running = Number(jobsAtOnce);
  const perMinute = Math.floor((running * 60) / cell.secondsPerJob);
  const { jobs = 0, time = "" } = busiestMinute(merchants, cell.name) ?? {};
  return [
    {
      what: "worker processes",
      used: running + LAUNCHERS,
      of: Number(workers),
      because: `cron.max_running_jobs ${running} and ${LAUNCHERS} launchers; max_worker_processes`,
      fix: "raise max_worker_processes, or lower cron.max_running_jobs",
    },
    {
      what: "jobs in the busiest minute",
      used: jobs,
      of: perMinute,
      because:
        `${jobs} start${time === "" ? "" : ` at ${time} GMT`}; cron.max_running_jobs ${running} end ${perMinute} in a ` +
        `minute at ${cell.secondsPerJob} s each`,
      fix: "spread the jobs (jobs.<job>.spread: 45m), move merchants, or raise cron.max_running_jobs",
    },
  ];
}

/** A measure in a line: `connections: 1,520 of 1,802 (84 %): …`. */
export function describeMeasure({ what, used, of, because }: Measure): string {
  return `${what}: ${used} of ${of} (${Math.round((used / of) * 100)} %): ${because}`;
}

/** Nobody has more than the database lets in. */
function shareOf(connectionLimit: number, usual: number): number {
  return connectionLimit === -1 ? usual : Math.min(connectionLimit, usual);
}

function connectionsOf({ parameters, instanceClass }: SizedCell): number {
  const set = parameters["max_connections"];
  return set === undefined ? defaultConnections(instanceClass) : Number(set);
}
