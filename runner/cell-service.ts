import type { Logger } from "pino";
import { codeOf, ConvergeError, messageOf } from "../converge/errors.ts";
import { backoff } from "./backoff.ts";
import { CellRuns } from "./cell-runs.ts";
import type { Server } from "./connection.ts";
import { DueJobs } from "./due-jobs.ts";
import { type CellKnowledge, failedAgain, learnClock, learnCrontabs, type MerchantKnowledge } from "./knowledge.ts";
import { type JobLook, lookAtCell, type Registered, visitMerchant } from "./look.ts";
import { isRescued, leftByPgCron, toRescue } from "./rescue.ts";
import type { Outcome, Task } from "./run.ts";
import { ServerClock, steadyNow } from "./steady-clock.ts";
import { logCall } from "./run-log.ts";
import { DAYS_EVERY, leaveAlone, nextToVisit, notVisited, type Visited } from "./visited.ts";

/** Milliseconds from one look at what is due to the next. */
const TICK = 100;
/** Visits that a cell has at once at most; runs have a limit of their own. */
const VISITS_AT_ONCE = 2;
/** SQLSTATE of app.begin_run: the due time is in the future, by the server's clock. */
const NOT_DUE_YET = "MJ011";

/** How a cell is served. Times in milliseconds. */
export interface CellOptions {
  readonly server: Server;
  readonly maxRuns: number;
  readonly rescue: boolean;
  readonly cellEvery: number;
  readonly merchantEvery: number;
  readonly log: Logger;
  /** Told of each call that was made, for the metrics. */
  readonly observe: (task: Task, outcome: Outcome) => void;
}

/** Serves one cell: looks at it, visits its merchants, runs what is due. What goes wrong with it costs no other cell. */
export class CellService {
  readonly #options: CellOptions;
  readonly #known: CellKnowledge;
  readonly #clock = new ServerClock();
  readonly #due = new DueJobs();
  readonly #runs: CellRuns;
  readonly #merchants = new Map<string, Visited>();
  #ticker: NodeJS.Timeout | undefined;
  #nextLook = 0;
  #nextCrontabs = 0;
  #looking = false;
  #failures = 0;
  #away = false;
  #visits = 0;
  #stopping = false;

  constructor(options: CellOptions, known: CellKnowledge) {
    this.#options = options;
    this.#known = known;
    this.#runs = new CellRuns({
      server: options.server,
      maxRuns: options.maxRuns,
      log: options.log,
      isOpen: () => !this.#stopping && !this.#away,
      mayCall: ({ merchant }) => (this.#merchants.get(merchant)?.retryAt ?? Infinity) <= steadyNow(),
      connected: (work) => this.#connected(work),
      ended: (task, outcome) => {
        this.#ended(task, outcome);
      },
      failed: (task, error) => {
        const visited = this.#visitedOf(task);
        if (visited) this.#failed(visited, error);
        return visited !== undefined;
      },
    });
  }

  start(): void {
    this.#ticker = setInterval(() => {
      this.#tick();
    }, TICK);
    this.#tick();
  }

  /** Takes nothing new, and waits for what runs; what still does after `grace` milliseconds is cancelled. */
  async stop(grace: number): Promise<void> {
    this.#stopping = true;
    clearInterval(this.#ticker);
    await this.#runs.stop(grace);
  }

  #tick(): void {
    const now = steadyNow();
    if (!this.#looking && now >= this.#nextLook) void this.#look();
    if (this.#stopping || this.#away) return;
    const serverNow = this.#clock.now();
    if (serverNow !== undefined) this.#runs.add(this.#due.take(serverNow));
    this.#startVisits(now);
    this.#runs.start();
  }

  async #look(): Promise<void> {
    this.#looking = true;
    const { log, cellEvery } = this.#options;
    try {
      const withCrontabs = steadyNow() >= this.#nextCrontabs;
      const look = await this.#connected(() => lookAtCell(this.#options.server, this.#runs.pids(), withCrontabs));
      this.#runs.gone(look.gone);
      const wasSet = this.#clock.learn(look.serverTime, look.askedAt, look.within);
      if (this.#known.failure) log.info("the cell answers again");
      this.#failures = 0;
      this.#away = false;
      this.#known.failure = undefined;
      this.#known.seenAt = steadyNow();
      learnClock(this.#known, look);
      this.#known.lastStartedAt = look.lastStartedAt;
      this.#learnLauncher(look.launcher);
      this.#learnMerchants(look.merchants);
      if (learnCrontabs(this.#known, look.crontabs)) this.#nextCrontabs = steadyNow() + this.#options.merchantEvery;
      if (look.launcher !== false && !isRescued(this.#known)) this.#known.rescuingSince = undefined;
      const serverNow = this.#clock.now();
      if (wasSet && serverNow !== undefined) {
        log.warn("the server's clock was set; what is due is computed anew");
        this.#runs.add(this.#due.clockSet(serverNow));
      }
      this.#nextLook = steadyNow() + cellEvery;
    } catch (error) {
      this.#failures += 1;
      // With the cron database gone, or closed to us, the merchants' own may still be served.
      const cause = error instanceof ConvergeError ? codeOf(error.cause) : codeOf(error);
      this.#away = cause !== "3D000" && cause !== "42501";
      if (!this.#known.failure) log.error({ err: error }, "the cell could not be looked at");
      this.#known.failure = failedAgain(this.#known.failure, messageOf(error), steadyNow());
      this.#nextLook = steadyNow() + Math.min(backoff(this.#failures), cellEvery);
    } finally {
      this.#looking = false;
    }
  }

  #learnLauncher(launcher: boolean | undefined): void {
    if (launcher !== false) this.#known.launcherGoneSince = undefined;
    else if (this.#known.launcherGoneSince === undefined) {
      this.#known.launcherGoneSince = steadyNow();
      this.#options.log.error("pg_cron's launcher does not run");
      // What becomes overdue from now on must be seen soon.
      for (const visited of this.#merchants.values()) visited.nextVisit = 0;
    }
    this.#known.launcher = launcher;
  }

  #learnMerchants(registered: readonly Registered[]): void {
    const now = steadyNow();
    const names = new Set(registered.map(({ merchant }) => merchant));
    for (const merchant of this.#merchants.keys()) {
      if (names.has(merchant)) continue;
      this.#merchants.delete(merchant);
      this.#known.merchants.delete(merchant);
      this.#due.forget(merchant);
      this.#runs.forget(merchant);
    }
    for (const { merchant, database, suspended, scheduler } of registered) {
      const before = this.#merchants.get(merchant);
      if (before?.known.database === database) {
        // What its `up` changed in its jobs comes with the next visit, which is now.
        if (before.known.suspended !== suspended || before.known.scheduler !== scheduler) before.nextVisit = 0;
        before.known.suspended = suspended;
        before.known.scheduler = scheduler;
        if (scheduler === "pg_cron") this.#due.forget(merchant);
        continue;
      }
      const visited = notVisited({ merchant, database, suspended, scheduler }, now);
      this.#known.merchants.set(merchant, visited.known);
      this.#merchants.set(merchant, visited);
    }
  }

  #startVisits(now: number): void {
    while (!this.#stopping && !this.#away && this.#visits < VISITS_AT_ONCE) {
      const next = nextToVisit(this.#merchants.values(), now);
      if (next === undefined) return;
      void this.#visit(next);
    }
  }

  async #visit(visited: Visited): Promise<void> {
    const { server, merchantEvery } = this.#options;
    const { known } = visited;
    visited.visiting = true;
    this.#visits += 1;
    try {
      const withDays = steadyNow() >= visited.nextDays;
      const found = await this.#connected(() => visitMerchant(server, known.database, withDays));
      if (found.days) {
        known.days = found.days;
        visited.nextDays = steadyNow() + DAYS_EVERY;
      }
      if (!this.#isKnown(visited)) return;
      const isFirst = known.seenAt === undefined;
      this.#learnJobs(visited, found.jobs, true);
      // The first visits come one after the other; those that follow are spread.
      const share = isFirst ? Math.random() : 0.95 + Math.random() / 20;
      visited.nextVisit =
        steadyNow() + merchantEvery * (this.#known.launcherGoneSince === undefined ? share : share / 5);
    } catch (error) {
      this.#failed(visited, error);
    } finally {
      visited.visiting = false;
      this.#visits -= 1;
      this.#startVisits(steadyNow());
    }
  }

  #learnJobs(visited: Visited, jobs: readonly JobLook[], retry: boolean): void {
    const { known } = visited;
    known.jobs = jobs;
    known.seenAt = steadyNow();
    if (known.failure) this.#options.log.info({ merchant: known.merchant }, "the merchant's database answers again");
    known.failure = undefined;
    visited.failures = 0;
    visited.retryAt = 0;
    const serverNow = this.#clock.now();
    if (serverNow === undefined || this.#stopping) return;
    if (known.scheduler === "runner") {
      this.#runs.add(this.#due.learn(known, jobs, serverNow, retry));
    } else if (this.#options.rescue && retry) {
      this.#rescue(known, jobs, serverNow);
    }
  }

  #rescue({ merchant, database }: MerchantKnowledge, jobs: readonly JobLook[], now: number): void {
    const { launcher } = this.#known;
    const overdue = toRescue(jobs, launcher, now);
    if (overdue.length === 0) return;
    const left = leftByPgCron(jobs, launcher);
    const what = left.length > 0 ? "pg_cron did not run what is overdue" : "what failed is still overdue";
    this.#options.log.warn({ merchant, jobs: overdue, launcher }, `${what}: the runner does`);
    if (left.length > 0) this.#known.rescuingSince ??= steadyNow();
    // Each of its jobs runs once at most.
    const timeLimitSeconds = jobs.reduce((sum, job) => sum + job.timeLimitSeconds, 0);
    this.#runs.add([{ merchant, database, job: undefined, due: now, timeLimitSeconds }]);
  }

  #ended(task: Task, outcome: Outcome): void {
    const visited = this.#visitedOf(task);
    logCall(this.#options.log, task, outcome);
    this.#options.observe(task, outcome);
    if (outcome.error?.code === NOT_DUE_YET) {
      // The server's clock was set back since the last look: ask it again before anything else.
      this.#nextLook = 0;
      this.#due.notYet(task);
    }
    if (outcome.jobs && visited) this.#learnJobs(visited, outcome.jobs, false);
  }

  /** Undefined for a merchant that left the registry, or got another database, meanwhile. */
  #visitedOf({ merchant, database }: Task): Visited | undefined {
    const visited = this.#merchants.get(merchant);
    return visited?.known.database === database ? visited : undefined;
  }

  /** False for a merchant that left the registry, or got another database, meanwhile. */
  #isKnown(visited: Visited): boolean {
    return this.#merchants.get(visited.known.merchant) === visited;
  }

  #failed(visited: Visited, error: unknown): void {
    const { known } = visited;
    visited.failures += 1;
    leaveAlone(visited, steadyNow() + backoff(visited.failures));
    if (!known.failure) this.#options.log.error({ merchant: known.merchant, err: error }, "the merchant's database");
    known.failure = failedAgain(known.failure, messageOf(error), steadyNow());
  }

  async #connected<T>(work: () => Promise<T>): Promise<T> {
    this.#known.connections += 1;
    try {
      return await work();
    } finally {
      this.#known.connections -= 1;
    }
  }
}
