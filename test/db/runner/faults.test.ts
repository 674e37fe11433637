// Runners that are killed, and what changes under them: on a server of its own, with merchants that are copies of one.
import { writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RUNNER_ROLE } from "../../../runner/config.ts";
import { JobsDatabase } from "../../jobs/database.ts";
import { onboard, prepareCell, specOf, sqlRoot, testCell } from "../../merchants.ts";
import { letRunnerIn, PASSWORD, runnerConfig, startRunner, startTestFleet } from "../../runner/kit.ts";
import { type OwnServer, startOwnServer, superuserClient, waitFor } from "../../server.ts";

const MERCHANTS = 20;
const LOTS = 30;
const SECONDS = 20;

let own: OwnServer;
const names = Array.from({ length: MERCHANTS }, (_, i) => `copy${i}`);
const databases: JobsDatabase[] = [];

beforeAll(async () => {
  own = await startOwnServer({ settings: { max_connections: "150" } });
  await prepareCell(testCell(own.server));
  await letRunnerIn(own.server);
  const spec = specOf("original");
  await onboard(spec, sqlRoot, own.server);
  const original = await JobsDatabase.open(spec.database, own.server);
  await original.dueLots(LOTS);
  await original.rows(
    `update app.jobs set batch_size = 7, schedule = '1 seconds', due_schedule = '{"every": 1}' where name = 'lot_expiry'`,
  );
  await original.rows("update app.jobs set enabled = false where name <> 'lot_expiry'");
  await original.close();
  const cron = await superuserClient("cron", own.server);
  await cron.query("select cron.unschedule(jobid) from cron.job where database = $1", [spec.database]);
  await cron.query("delete from merchant_jobs.merchants");
  for (const name of names) {
    await cron.query(`create database merchant_${name} template ${spec.database} owner ${spec.ownerRole}`);
    await cron.query(
      `insert into merchant_jobs.merchants (merchant, database_name, job_role, suspended, scheduler)
       values ($1, 'merchant_' || $1, $2, false, 'runner')`,
      [name, spec.jobRole],
    );
    databases.push(await JobsDatabase.open(`merchant_${name}`, own.server));
  }
  await cron.end();
});
afterAll(async () => {
  for (const db of databases) await db.close();
  await own.remove();
});

/** Waits until every merchant has a complete success that began after this moment. */
async function untilAllRan(what: string): Promise<void> {
  const from = new Date();
  for (const db of databases) {
    await waitFor(
      async () =>
        (await db.rows("select from app.job_runs where status = 'succeeded' and not more and started_at > $1", [from]))
          .length > 0,
      { what: `${what}: ${db.name}`, timeoutMs: 60_000 },
    );
  }
}

test("three runners, one killed every two seconds: never two runs at a time, every due time done, every effect once", async () => {
  const config = runnerConfig(own.server, { cellEverySeconds: 1, merchantEverySeconds: 5 });
  const runners = [0, 1, 2].map(() => startRunner(config));
  try {
    const end = performance.now() + SECONDS * 1000;
    let kills = 0;
    while (performance.now() < end) {
      await new Promise((go) => setTimeout(go, 2_000));
      const victim = runners[kills % 3]!;
      victim.child.kill("SIGKILL");
      expect(await victim.ended).toBe("SIGKILL");
      runners[kills % 3] = startRunner(config);
      kills += 1;
    }
    expect(kills).toBeGreaterThan(5);
    await untilAllRan("after the kills");
  } finally {
    for (const { child } of runners) child.kill("SIGTERM");
    await Promise.all(runners.map(({ ended }) => ended));
  }
  let runs = 0;
  for (const db of databases) {
    const [found] = await db.rows<{ overlaps: number; runs: number; failed: number; others: number }>(
      `select count(*) filter (where started_at < before)::int as overlaps, count(*)::int as runs,
         count(*) filter (where status = 'failed')::int as failed,
         count(*) filter (where scheduler <> 'runner')::int as others
       from (
         select r.*, max(coalesce(finished_at, 'infinity')) over (
           order by run_id rows between unbounded preceding and 1 preceding
         ) as before
         from app.job_runs as r where status <> 'skipped'
       ) as r`,
    );
    expect(found, db.name).toMatchObject({ overlaps: 0, others: 0 });
    runs += found!.runs;
    const lots = await db.rows<{ balance: number; expiries: number; lots: number }>(
      `select sum(amount_minor)::int as balance, count(*) filter (where kind = 'expiry')::int as expiries,
         count(distinct lot_id)::int as lots from app.ledger_entries`,
    );
    expect(lots, db.name).toEqual([{ balance: 0, expiries: LOTS, lots: LOTS }]);
  }
  // It is no test when hardly anything ran.
  expect(runs).toBeGreaterThan(MERCHANTS * 3);
});

test("a password that is changed, on the server and then in its file, costs the time between", async () => {
  const file = path.join(own.folder, "password");
  writeFileSync(file, `${PASSWORD}\n`);
  const fleet = startTestFleet(runnerConfig(own.server, {}, { credential: { file } }));
  try {
    await untilAllRan("with the first password");
    await letRunnerIn(own.server, "another-password");
    await waitFor(() => fleet.knowledge.cells.get("home")?.failure, { what: "the old one is refused" });
    writeFileSync(file, "another-password\n");
    await untilAllRan("with the second password");
    expect(fleet.knowledge.cells.get("home")?.failure).toBeUndefined();
  } finally {
    await fleet.stop();
    await letRunnerIn(own.server);
  }
});

test("connections that are cut in the middle of everything cost a moment, and leave none behind", async () => {
  const fleet = startTestFleet(runnerConfig(own.server));
  const client = await superuserClient("postgres", own.server);
  try {
    await untilAllRan("before the cut");
    for (let i = 0; i < 10; i += 1) {
      await client.query("select pg_terminate_backend(pid) from pg_stat_activity where usename = $1", [RUNNER_ROLE]);
      await new Promise((go) => setTimeout(go, 50));
    }
    await untilAllRan("after the cut");
    await fleet.stop();
    await waitFor(
      async () =>
        (await client.query("select from pg_stat_activity where usename = $1", [RUNNER_ROLE])).rowCount === 0 &&
        fleet.knowledge.cells.get("home")?.connections === 0,
      { what: "no connection is left" },
    );
  } finally {
    await fleet.stop();
    await client.end();
  }
});
