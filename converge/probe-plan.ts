import { ConvergeError } from "./errors.ts";
import { quoteName } from "./roles.ts";

/** What a server says of what starts our jobs, and of what they need around it. */
export type ProbeFacts = PgCronFacts | RunnerFacts;

interface CommonFacts {
  /** Settings by name; pg_cron's own are missing where it is not loaded. */
  readonly settings: Readonly<Record<string, string>>;
  /** Owner roles of registered merchants that cannot see what other sessions do. */
  readonly blind: readonly string[];
}

/** Of a cell whose jobs the runner starts: pg_cron's state does not matter there. */
export interface RunnerFacts extends CommonFacts {
  readonly scheduler: "runner";
  /** Whether the runner's role may log in, and into the cron database. */
  readonly runnerMayEnter: boolean;
}

/** Of a cell whose jobs pg_cron starts. */
export interface PgCronFacts extends CommonFacts {
  readonly scheduler: "pg_cron";
  /** Whether pg_cron's launcher runs. */
  readonly launcher: boolean;
  /** Roles that own a row of cron.job and are not there any more, with the ids of these jobs. */
  readonly orphans: Readonly<Record<string, readonly string[]>>;
  /** Jobs that are named as ours are, in a database that the registry does not have. */
  readonly leftovers: readonly { readonly jobid: string; readonly jobname: string; readonly database: string }[];
}

/** Problems of a cell by what they are about, each with what was found and the way out. */
export type Findings = Readonly<Record<string, string>>;

const RESTART = "and restart the server";
const RELOAD = "select pg_reload_conf();";

/** All that is wrong with a cell. Each text says what was found and ends with what repairs it, to be copied as it is. */
export function findProblems(facts: ProbeFacts): Findings {
  return { ...findStopping(facts), ...findOthers(facts) };
}

/**
 * The problems with which no job of the cell runs, or none that can be trusted: its merchants wait for their repair.
 */
export function findStopping(facts: ProbeFacts): Findings {
  return facts.scheduler === "pg_cron" ? findInPgCron(facts) : findForRunner(facts);
}

/** The error for a cell with such problems, of which each text ends with its repair. */
export function notReady(cell: string, problems: Findings): ConvergeError {
  return new ConvergeError(
    "cell_not_ready",
    [
      `cell ${cell} is not ready, and nothing of its merchants was changed; repair, as superuser in database cron:`,
      ...Object.entries(problems).map(([about, text]) => `${about} ${text}`),
    ].join("\n- "),
  );
}

function set(name: string, value: string, then: string): string {
  return `alter system set ${name} = '${value}'; ${then}`;
}

function findForRunner({ runnerMayEnter, settings }: RunnerFacts): Findings {
  const hidden = findHidden(settings);
  if (runnerMayEnter) return hidden;
  return {
    "role merchant_jobs_runner":
      "may not come into database cron, so that the runner starts no job: alter role merchant_jobs_runner login; " +
      "grant connect on database cron to merchant_jobs_runner;",
    ...hidden,
  };
}

/** Who cannot see what a session does takes its run for dead. */
function findHidden(settings: ProbeFacts["settings"]): Findings {
  if (settings["track_activities"] !== "off") return {};
  return {
    track_activities: `is off, so that a live run looks like a dead one: ${set("track_activities", "on", RELOAD)}`,
  };
}

/**
 * Settings: README of pg_cron (https://github.com/citusdata/pg_cron) and its src/pg_cron.c, where those that are missing
 * came with a later version and have the right value in earlier ones.
 */
function findInPgCron({ settings, launcher, orphans }: PgCronFacts): Findings {
  const is = (name: string) => settings[name];
  const found: Record<string, string> = {};
  if (is("cron.database_name") === undefined) {
    found["shared_preload_libraries"] =
      "pg_cron is not loaded, so no job runs: add pg_cron to shared_preload_libraries (on RDS in the parameter group) " +
      RESTART;
    return found;
  }
  if (is("cron.database_name") !== "cron") {
    found["cron.database_name"] =
      `is ${is("cron.database_name")}: jobs are read from there: ${set("cron.database_name", "cron", RESTART)}`;
  }
  const zone = is("cron.timezone") ?? "GMT";
  if (!["GMT", "UTC", "Etc/UTC", "Etc/GMT"].includes(zone)) {
    found["cron.timezone"] =
      `is ${zone}: in a zone with daylight saving a job is skipped in spring and doubled in autumn: ` +
      set("cron.timezone", "GMT", RESTART);
  }
  if (is("cron.use_background_workers") === "off") {
    found["cron.use_background_workers"] =
      `is off, so that every job would have to log in: ${set("cron.use_background_workers", "on", RESTART)}`;
  }
  if (is("cron.launch_active_jobs") === "off") {
    found["cron.launch_active_jobs"] = `is off, so that no job runs: ${set("cron.launch_active_jobs", "on", RELOAD)}`;
  }
  const running = Number(is("cron.max_running_jobs"));
  const workers = Number(is("max_worker_processes"));
  if (running >= workers) {
    found["cron.max_running_jobs"] =
      `is ${running} and max_worker_processes ${workers}: jobs fail with "could not start background process": ` +
      set("max_worker_processes", String(running + 8), RESTART);
  }
  Object.assign(found, findHidden(settings));
  for (const [role, jobs] of Object.entries(orphans)) {
    found[`role ${role}`] =
      `is gone and still owns jobs: pg_cron dies with every change of cron.job, and no job of any merchant runs: ` +
      `create role ${quoteName(role)} login; grant ${quoteName(role)} to current_user; ` +
      `${jobs.map((jobid) => `select cron.unschedule(${jobid});`).join(" ")} drop role ${quoteName(role)};`;
  }
  if (!launcher) {
    found["launcher"] =
      "does not run, so no job runs: " +
      (Object.keys(orphans).length > 0
        ? "repair the role named here, and it is back within a second"
        : "restart the server; its log says why the launcher ended (it ends for good when its database is dropped)");
  }
  return found;
}

/** What is wrong with one merchant, which stops no other: the next up gives an owner role its membership back. */
function findOthers(facts: ProbeFacts): Findings {
  const found: Record<string, string> = {};
  for (const { jobid, jobname, database } of facts.scheduler === "pg_cron" ? facts.leftovers : []) {
    const name = `job ${jobname}`;
    // Names are one role's own.
    found[name in found ? `${name} #${jobid}` : name] =
      `is left over: no merchant of this cell has the database ${database}: select cron.unschedule(${jobid});`;
  }
  for (const role of facts.blind) {
    found[`statistics of ${role}`] =
      "other sessions are hidden from it, and a dead run would look alive for ever: " +
      `grant pg_read_all_stats to ${quoteName(role)};`;
  }
  return found;
}
