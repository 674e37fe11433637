// A server that hangs, clocks that are set, and a pooler in between: on a server of its own.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findCluster } from "../../local/postgres/cluster.ts";
import { RUNNER_ROLE } from "../../runner/config.ts";
import { serverProcesses } from "../../local/postgres/processes.ts";
import { fakedClock } from "../runner/clock.ts";
import { type Copies, makeCopies, untilAllRan, whatCame } from "../runner/copies.ts";
import { runnerConfig, startRunner, startTestFleet } from "../runner/kit.ts";
import { startPooler } from "../runner/pooler.ts";
import { restartWithClock } from "../runner/server-clock.ts";
import { signalAll } from "../runner/signals.ts";
import { askFleet, healthOf } from "../runner/surfaces.ts";
import { startProxy } from "../proxy.ts";
import { superuserClient, waitFor } from "../server.ts";

/** More than a cell's runs, visits and look take connections for. */
const MERCHANTS = 12;
const LOTS = 5;
/** Runs that a cell has at once at most. */
const RUNS = 2;
let copies: Copies;

beforeAll(async () => {
  copies = await makeCopies(MERCHANTS, LOTS);
});
afterAll(async () => {
  await copies.remove();
});

const allRan = (what: string) => untilAllRan(copies.databases(), what);

/** Every lot expired, and once. */
async function expectEffectsOnce(): Promise<void> {
  for (const db of copies.databases()) {
    const { balance, lots, expiries } = await whatCame(db);
    expect([balance, expiries], db.name).toEqual([0, lots]);
  }
}

describe("a server that hangs", () => {
  test("costs only its own merchants, holds few connections, and all is well when it goes on", async () => {
    const proxy = await startProxy(copies.own.server);
    const { cells } = runnerConfig({ host: "127.0.0.1", port: proxy.port });
    const config = runnerConfig(copies.own.server, { maxRunsPerCell: RUNS });
    const fleet = startTestFleet({ ...config, cells: { ...config.cells, hung: cells["home"]! } });
    const hung = fleet.knowledge.cells.get("hung")!;
    const home = fleet.knowledge.cells.get("home")!;
    let most = 0;
    const sampling = setInterval(() => (most = Math.max(most, hung.connections)), 20);
    try {
      await waitFor(() => hung.merchants.size === MERCHANTS, { what: "it answers at first" });
      await proxy.stopAt({ statement: 1, when: "before" });
      const tooOld = fleet.knowledge.tooOld.cell;
      await waitFor(() => home.seenAt! - hung.seenAt! > tooOld, { what: "it has not answered for too long" });
      await allRan("the other cell goes on");
      expect(home.failure).toBeUndefined();
      // Runs, two that are asked what came of them, two visits, and a look. All merchants' jobs are due every second.
      expect(most).toBeGreaterThan(RUNS);
      expect(most).toBeLessThanOrEqual(RUNS + 2 + 2 + 1);
      const before = hung.seenAt!;
      proxy.resume();
      await waitFor(() => hung.seenAt! > before && hung.failure === undefined, { what: "it answers again" });
      await waitFor(() => [...hung.merchants.values()].every(({ failure, seenAt }) => !failure && seenAt! > before), {
        what: "its merchants too",
      });
    } finally {
      clearInterval(sampling);
      await fleet.stop();
      await proxy.close();
    }
  });

  test("and that another one takes the place of gives up its runs: they are due again", async () => {
    const proxy = await startProxy(copies.own.server);
    const fleet = startTestFleet(runnerConfig({ host: "127.0.0.1", port: proxy.port }));
    const client = await superuserClient("postgres", copies.own.server);
    try {
      await allRan("before");
      await proxy.stopAt({ statement: /^call app\.run_job/, when: "before" });
      proxy.replace();
      await client.query("select pg_terminate_backend(pid) from pg_stat_activity where usename = $1", [RUNNER_ROLE]);
      await allRan("on the new server");
      expect(
        fleet.lines.filter(({ msg }) => String(msg).startsWith("runs that the server knows nothing of")),
      ).not.toEqual([]);
    } finally {
      await fleet.stop();
      await client.end();
      await proxy.close();
    }
  });

  test("keeps no runner from ending in its grace time, and its runs go on when it does", async () => {
    const cluster = await findCluster(copies.own.folder);
    const stopped = startRunner(runnerConfig(copies.own.server, { graceSeconds: 5 }));
    const fleet = startTestFleet(runnerConfig(copies.own.server));
    const home = fleet.knowledge.cells.get("home")!;
    let frozen: readonly number[] = [];
    try {
      await waitFor(() => stopped.output().includes('"run succeeded"'), { what: "it runs" });
      await waitFor(() => home.seenAt, { what: "the other one too" });
      frozen = await serverProcesses(cluster!);
      signalAll(frozen, "SIGSTOP");
      stopped.child.kill("SIGTERM");
      expect(await stopped.ended, stopped.output()).toBe(0);
    } finally {
      signalAll(frozen, "SIGCONT");
    }
    try {
      expect(frozen.length).toBeGreaterThan(5);
      await allRan("the server goes on");
      await expectEffectsOnce();
    } finally {
      stopped.child.kill("SIGKILL");
      await fleet.stop();
    }
  });
});

describe("a clock that is set", () => {
  test("on the runner's machine, by a day to either side, neither doubles nor loses a run", async () => {
    const clock = fakedClock(copies.own.folder);
    const runner = startRunner(runnerConfig(copies.own.server), { env: clock.env });
    try {
      const url = await runner.url();
      for (const [step, words] of [
        ["+1d", " s behind"],
        ["-2d", " s ahead"],
      ] as const) {
        for (const db of copies.databases()) await db.dueLots(2);
        await allRan("before the step");
        clock.set(step);
        await waitFor(async () => (await (await fetch(`${url}/health`)).text()).includes(words), {
          what: "the runner sees that the clocks differ",
        });
        for (const db of copies.databases()) await db.dueLots(2);
        await allRan("after the step");
      }
      for (const db of copies.databases()) {
        expect(await whatCame(db), db.name).toMatchObject({ overlaps: 0, twice: 0 });
        expect(await db.rows("select from app.job_runs where due > started_at"), db.name).toEqual([]);
      }
      await expectEffectsOnce();
    } finally {
      runner.child.kill("SIGKILL");
    }
  });

  test("on the server, by hours to either side, neither doubles an effect nor holds the jobs up", async () => {
    const clock = await restartWithClock(copies.own);
    await copies.reopen();
    const fleet = startTestFleet(runnerConfig(copies.own.server));
    const set = () => fleet.lines.filter(({ msg }) => String(msg).startsWith("the server's clock was set")).length;
    try {
      for (const [i, step] of ["+3h", "-3h", "+0"].entries()) {
        await allRan("before the step");
        clock.set(step);
        await waitFor(() => set() > i, { what: "the runner sees the step" });
        for (const db of copies.databases()) await db.dueLots(2);
        await allRan("after the step");
        await waitFor(
          async () =>
            (await copies.databases()[0]!.rows("select from app.lots where expired_at is null and expires_at < now()"))
              .length === 0,
          { what: "what is due was done" },
        );
      }
      await expectEffectsOnce();
    } finally {
      await fleet.stop();
    }
  });
});

test("a look that takes seconds is not taken for a clock that was set", async () => {
  const fleet = startTestFleet(runnerConfig(copies.own.server));
  const home = fleet.knowledge.cells.get("home")!;
  const cron = await superuserClient("cron", copies.own.server);
  const looked = async (what: string) => {
    const before = home.seenAt ?? 0;
    await waitFor(() => (home.seenAt ?? 0) > before, { what });
  };
  try {
    await looked("the first look");
    await cron.query("alter function merchant_jobs.cell_health() rename to quick_health");
    await cron.query(
      `create function merchant_jobs.cell_health(out launcher boolean, out last_started_at timestamptz)
       language plpgsql security definer as $$
       begin
         perform pg_sleep(3);
         select h.launcher, h.last_started_at into launcher, last_started_at from merchant_jobs.quick_health() as h;
       end $$`,
    );
    await cron.query("grant execute on function merchant_jobs.cell_health() to merchant_jobs_runner");
    // The first of them may have begun before.
    await looked("a look");
    await looked("a slow look");
    expect(fleet.lines.filter(({ msg }) => String(msg).startsWith("the server's clock was set"))).toEqual([]);
  } finally {
    await fleet.stop();
    await cron.query("drop function if exists merchant_jobs.cell_health()");
    await cron.query("alter function merchant_jobs.quick_health() rename to cell_health");
    await cron.end();
  }
});

test("a wrong password is a trouble that names the credential and does not show it", async () => {
  const wrong = startTestFleet(runnerConfig(copies.own.server), "not-the-password");
  const ask = askFleet(wrong.knowledge);
  try {
    const found = await waitFor(async () => (await healthOf(ask)).troubles[0] && healthOf(ask), { what: "trouble" });
    expect(found.answer).toContain("check the cell's credential");
    expect(JSON.stringify([found, wrong.lines])).not.toContain("not-the-password");
  } finally {
    await wrong.stop();
  }
});

test.for([
  ["that refuses what it does not know", false],
  ["that lets everything through", true],
] as const)("a pooler in transaction mode %s is refused with the reason", async ([, lenient]) => {
  const pooler = await startPooler(copies.own, lenient);
  const fleet = startTestFleet(runnerConfig({ host: "127.0.0.1", port: pooler.port }));
  try {
    const failure = await waitFor(() => fleet.knowledge.cells.get("home")?.failure, { what: "it is refused" });
    expect(failure.message).toContain("a connection pooler answers at its address");
    expect(failure.message).toContain("write the address of the PostgreSQL server itself");
    expect(fleet.knowledge.cells.get("home")?.merchants.size).toBe(0);
  } finally {
    await fleet.stop();
    await pooler.stop();
  }
});
