// The runner on a server of its own: it would run the jobs of every other test's merchants.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { MerchantSpec } from "../../../spec/merchants.ts";
import { RUNNER_ROLE } from "../../../runner/config.ts";
import { errorOf, JobsDatabase } from "../../jobs/database.ts";
import { onboard, prepareCell, specOf, sqlRoot, testCell } from "../../merchants.ts";
import { letRunnerIn, PASSWORD, runnerConfig, startRunner, startTestFleet, type TestFleet } from "../../runner/kit.ts";
import { makeTestJobs } from "../../jobs/test-jobs.ts";
import { connectAs, type OwnServer, startOwnServer, superuserClient, waitFor } from "../../server.ts";

let own: OwnServer;

beforeAll(async () => {
  own = await startOwnServer({ settings: { max_connections: "150" } });
  await prepareCell(testCell(own.server));
  await letRunnerIn(own.server);
});
afterAll(async () => {
  await own.remove();
});

async function cronRows(sql: string, values: readonly unknown[] = []): Promise<readonly Record<string, unknown>[]> {
  const client = await superuserClient("cron", own.server);
  try {
    return (await client.query<Record<string, unknown>>(sql, [...values])).rows;
  } finally {
    await client.end();
  }
}

/** Onboards a merchant whose jobs the runner starts. */
async function runnerMerchant(id: string, line: object = {}): Promise<{ spec: MerchantSpec; db: JobsDatabase }> {
  const spec = specOf(id, line);
  await onboard(spec, sqlRoot, own.server);
  await cronRows("select cron.unschedule(jobid) from cron.job where database = $1", [spec.database]);
  await cronRows("update merchant_jobs.merchants set scheduler = 'runner' where merchant = $1", [id]);
  return { spec, db: await JobsDatabase.open(spec.database, own.server) };
}

const EVERY_SECOND = `update app.jobs set schedule = '1 seconds', due_schedule = '{"every": 1}'`;

const EVERY_DAY_AT_ZERO = `update app.jobs set schedule = '0 0 * * *', due_schedule =
  '{"minutes": [0], "hours": [0], "daysOfMonth": [], "months": [1,2,3,4,5,6,7,8,9,10,11,12],
    "daysOfWeek": [0,1,2,3,4,5,6], "domStar": false, "dowStar": false, "lastDayOfMonth": false}'`;

describe("the runner", () => {
  test("runs what is due, through a role that may do nothing else, on one connection a run", async () => {
    const { db } = await runnerMerchant("alpha");
    const lots = await db.dueLots(3);
    await db.rows(`${EVERY_SECOND} where name = 'lot_expiry'`);
    const fleet = startTestFleet(runnerConfig(own.server));
    try {
      await waitFor(async () => (await db.runs()).filter(({ status }) => status === "succeeded").length >= 3, {
        what: "lot_expiry ran three times",
      });
      expect(await db.expiries(lots)).toEqual([
        [0, 1],
        [0, 1],
        [0, 1],
      ]);
      const runs = await db.runs();
      expect(new Set(runs.map(({ scheduler }) => scheduler))).toEqual(new Set(["runner"]));
      expect(new Set(runs.map(({ pid }) => pid)).size).toBe(runs.length);
      // What is due at a time of the day is not due now.
      expect(await db.runs("idempotency_cleanup")).toEqual([]);
      const line = fleet.lines.find(({ run }) => run !== undefined);
      expect(line).toMatchObject({ cell: "home", merchant: "alpha", job: "lot_expiry", status: "succeeded" });
    } finally {
      await fleet.stop();
      await db.close();
    }
  });

  test("may not look at the ledger, and may call nothing but the engine", async () => {
    const { db, spec } = await runnerMerchant("beta");
    const client = await connectAs({ user: RUNNER_ROLE, password: PASSWORD }, spec.database, own.server);
    try {
      for (const statement of [
        "select from app.lots",
        "select from app.ledger_entries",
        "select item from app.job_quarantine",
        "update app.jobs set enabled = false",
        "delete from app.job_runs",
        "select app.grant_lot('a', now() + interval '1 day', 1)",
        "select app.expire_lots_batch(now(), 1, null, null, '{}')",
        "call app.expire_lots()",
        "set role merchant_beta_owner",
        "create table public.mine ()",
      ]) {
        expect((await errorOf(client.query(statement)))?.code, statement).toBe("42501");
      }
      expect(await errorOf(client.query("call app.run_job('lot_expiry')"))).toBeUndefined();
    } finally {
      await client.end();
      await db.close();
    }
  });

  test("does once, late, what was due while nobody ran it, and leaves alone what is disabled or suspended", async () => {
    const { db } = await runnerMerchant("gamma", { jobs: { idempotency_cleanup: { enabled: false } } });
    const resting = await runnerMerchant("delta", { suspended: true });
    // As far back as can be said.
    const missed = "update app.jobs set due_from = '-infinity'";
    await db.rows(missed);
    await resting.db.rows(missed);
    const fleets = [0, 1, 2].map(() => startTestFleet(runnerConfig(own.server)));
    try {
      const done = () =>
        db.rows<{ name: string; status: string; late: boolean }>(
          `select j.name, r.status, r.due < r.started_at as late from app.job_runs as r join app.jobs as j using (job_id)
         where r.status <> 'skipped' and j.name <> 'ops_cleanup' order by j.name`,
        );
      await waitFor(async () => (await done()).length >= 2, { what: "both daily jobs were caught up" });
      // Every merchant has been visited again, by all three.
      const seen = fleets.map(({ knowledge }) => knowledge.cells.get("home")?.merchants.get("gamma")?.seenAt ?? 0);
      await waitFor(
        () =>
          fleets.every(
            ({ knowledge }, i) => (knowledge.cells.get("home")?.merchants.get("gamma")?.seenAt ?? 0) > seen[i]!,
          ),
        { what: "each runner has looked again" },
      );
      expect(await done()).toEqual([
        { name: "history_cleanup", status: "succeeded", late: true },
        { name: "lot_expiry", status: "succeeded", late: true },
      ]);
      expect(await resting.db.rows("select from app.job_runs")).toEqual([]);
    } finally {
      await Promise.all(fleets.map((fleet) => fleet.stop()));
      await db.close();
      await resting.db.close();
    }
  });

  test("a run that fails has its row and its line, and is not tried again and again", async () => {
    const { db } = await runnerMerchant("epsilon");
    await makeTestJobs(db);
    await db.rows(`${EVERY_DAY_AT_ZERO}, due_from = now() - interval '2 days' where name = 'failing'`);
    const fleet = startTestFleet(runnerConfig(own.server));
    try {
      const known = () => fleet.knowledge.cells.get("home")?.merchants.get("epsilon");
      const job = await waitFor(() => known()?.jobs.find(({ failuresInRow }) => failuresInRow > 0), {
        what: "it failed",
      });
      expect(job).toMatchObject({ job: "failing", lastStatus: "failed" });
      expect(job.failingSince).toBeGreaterThan(Date.now() - 60_000);
      const seen = known()?.seenAt ?? 0;
      await waitFor(() => (known()?.seenAt ?? 0) > seen + 1_500, { what: "two more visits" });
      expect((await db.runs("failing")).map(({ status, sqlstate }) => [status, sqlstate])).toEqual([
        ["failed", "53100"],
      ]);
      expect(fleet.lines.find(({ sqlstate }) => sqlstate === "53100")).toMatchObject({
        level: 50,
        merchant: "epsilon",
        job: "failing",
      });
    } finally {
      await fleet.stop();
      await db.close();
    }
  });

  test("runs for pg_cron what is overdue there, says so, and does not when it is told not to", async () => {
    const spec = specOf("zeta");
    await onboard(spec, sqlRoot, own.server);
    const db = await JobsDatabase.open(spec.database, own.server);
    await db.rows("update app.jobs set due_from = now() - interval '2 days' where name = 'lot_expiry'");
    const known = ({ knowledge }: TestFleet) => knowledge.cells.get("home")?.merchants.get("zeta")?.jobs ?? [];
    const isOverdue = (fleet: TestFleet) => known(fleet).some(({ overdueSince }) => overdueSince !== undefined);
    const idle = startTestFleet(runnerConfig(own.server, { rescue: false }));
    try {
      await waitFor(() => isOverdue(idle), { what: "it is seen to be overdue" });
      expect(await db.runs()).toEqual([]);
      const rescuer = startTestFleet(runnerConfig(own.server));
      try {
        await waitFor(() => known(rescuer).length > 0 && !isOverdue(rescuer) && !isOverdue(idle), {
          what: "it was rescued",
        });
        expect((await db.runs()).map(({ status, scheduler }) => [status, scheduler])).toEqual([
          ["succeeded", "runner"],
        ]);
        expect(rescuer.lines.find(({ merchant, level }) => merchant === "zeta" && level === 40)).toMatchObject({
          jobs: ["lot_expiry"],
        });
        await waitFor(() => rescuer.knowledge.cells.get("home")?.rescuingSince === undefined, { what: "it is over" });
      } finally {
        await rescuer.stop();
      }
    } finally {
      await idle.stop();
      await db.close();
    }
  });

  test("after SIGTERM it takes nothing new, lets a run end that does so within its grace, and exits with 0", async () => {
    const { db } = await runnerMerchant("theta");
    const [lot] = await db.dueLots(1);
    await db.rows(`${EVERY_SECOND} where name = 'lot_expiry'`);
    const holder = await db.holdLot(lot!);
    const runner = startRunner(runnerConfig(own.server, { graceSeconds: 20 }));
    try {
      await waitFor(
        async () => (await db.rows("select from pg_stat_activity where wait_event_type = 'Lock'")).length > 0,
        {
          what: "the run waits for the lot",
        },
      );
      runner.child.kill("SIGTERM");
      await waitFor(() => runner.output().includes("takes nothing new"), { what: "it has heard" });
      // Its job comes due again meanwhile.
      await new Promise((go) => setTimeout(go, 1_500));
      await holder.client.query("rollback");
      expect(await runner.ended, runner.output()).toBe(0);
      expect((await db.runs()).map(({ status, affected }) => [status, affected])).toEqual([["succeeded", 1]]);
    } finally {
      runner.child.kill("SIGKILL");
      await db.close();
    }
  });

  test("after SIGTERM it takes nothing new, cancels within its grace what does not end, and exits with 0", async () => {
    const { db } = await runnerMerchant("eta");
    await makeTestJobs(db);
    await db.rows(`${EVERY_DAY_AT_ZERO}, due_from = now() - interval '2 days' where name = 'cancelled'`);
    const runner = startRunner(runnerConfig(own.server, { graceSeconds: 5 }));
    try {
      await waitFor(async () => (await db.runs("cancelled")).some(({ batches }) => batches === 1), {
        what: "the run sleeps in its second batch",
      });
      runner.child.kill("SIGTERM");
      expect(await runner.ended, runner.output()).toBe(0);
      expect((await db.runs("cancelled")).map(({ status, sqlstate }) => [status, sqlstate])).toEqual([
        ["failed", "57014"],
      ]);
      expect(runner.output()).not.toContain(PASSWORD);
    } finally {
      runner.child.kill("SIGKILL");
      await db.close();
    }
  });
});
