// pg_cron itself runs jobs: in its background workers, as the job role, with one CALL as command. Every entry of the crontab
// is what converge or a test made of it, but for its time: pg_cron starts what has the time @reboot when its server starts
// (StartAllPendingRuns in its src/pg_cron.c), so that nobody waits for a full minute. npm run test:long does.
import type pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startServer, stopServer } from "../../../local/postgres.ts";
import { lastResortOf } from "../../../converge/last-resort.ts";
import type { MerchantSpec } from "../../../spec/merchants.ts";
import { JobsDatabase } from "../../jobs/database.ts";
import { expectLedgerRun, fillLedger, type Filled } from "../../jobs/ledger-by-pg-cron.ts";
import { makeTestJobs, TEST_JOBS } from "../../jobs/test-jobs.ts";
import { onboard, prepareCell, specOf, targetsOf, testCell } from "../../merchants.ts";
import { freshName, type OwnServer, startOwnServer, superuserClient, waitFor } from "../../server.ts";

/** What a slow machine takes to start and end the runs. */
const PATIENCE_MS = 110_000;

const ledgers = specOf(freshName("cron"));
const failures = specOf(freshName("cron"), { suspended: true });
const kinds = [...Object.keys(TEST_JOBS), "early", "timeout"];
let own: OwnServer;
let filled: Filled;
let ledger: JobsDatabase;
let failing: JobsDatabase;
let cron: pg.Client;

beforeAll(async () => {
  own = await startOwnServer({});
  await prepareCell(testCell(own.server));
  await prepare(ledgers, async (db) => {
    filled = await fillLedger(db);
    await db.rows("update app.jobs set due_from = '-infinity'");
  });
  await prepare(failures, prepareTestJobs);
  const before = await superuserClient("cron", own.server);
  await before.query("update cron.job set schedule = '@reboot' where database = $1", [ledgers.database]);
  for (const kind of kinds) {
    await before.query("select cron.schedule_in_database($1, '@reboot', $2, $3, $4)", [
      `test:${kind}`,
      `CALL app.run_job('${kind}')`,
      failures.database,
      failures.jobRole,
    ]);
  }
  await before.end();
  await stopServer(own.folder);
  const server = await startServer({ folder: own.folder, durable: false });
  ledger = await JobsDatabase.open(ledgers.database, server);
  failing = await JobsDatabase.open(failures.database, server);
  cron = await superuserClient("cron", server);
});
afterAll(async () => {
  await ledger.close();
  await failing.close();
  await cron.end();
  await own.remove();
});

async function prepare(spec: MerchantSpec, work: (db: JobsDatabase) => Promise<void>): Promise<void> {
  await onboard(spec, undefined, own.server);
  const db = await JobsDatabase.open(spec.database, own.server);
  await work(db);
  await db.close();
}

async function prepareTestJobs(db: JobsDatabase): Promise<void> {
  await makeTestJobs(db);
  // Its schedule says once a year, its crontab now: it is called, and is not due.
  await db.rows(
    `insert into app.jobs (name, batch_function, batch_size, time_limit_seconds, settings, schedule, due_schedule)
     values ('early', 'app.test_batch', 1, 3600, '{"kind": "good"}', '0 0 1 1 *',
       '{"minutes": [0], "hours": [0], "daysOfMonth": [1], "months": [1], "daysOfWeek": [0, 1, 2, 3, 4, 5, 6],
         "domStar": false, "dowStar": true, "lastDayOfMonth": false}')`,
  );
  await db.rows("create table app.test_timeouts (statement_timeout text)");
  await db.rows("grant insert on app.test_timeouts to public");
  await db.rows(
    `create function app.test_timeout(p_now timestamptz, p_limit bigint, p_cursor jsonb, p_items text[], p_settings jsonb)
     returns app.batch_result language plpgsql as $$ begin
       insert into app.test_timeouts values (current_setting('statement_timeout'));
       return (null, null, true, null)::app.batch_result;
     end $$`,
  );
  await db.rows(
    `insert into app.jobs (name, batch_function, batch_size, time_limit_seconds)
     values ('timeout', 'app.test_timeout', 1, 3600)`,
  );
}

/** What pg_cron recorded of each job of the merchant. */
async function records(): Promise<
  readonly { readonly job: string; readonly status: string; readonly message: string }[]
> {
  const found = await cron.query<{ job: string; status: string; message: string }>(
    `select j.jobname as job, d.status, coalesce(d.return_message, '') as message
     from cron.job as j join cron.job_run_details as d using (jobid) where j.username = $1 order by j.jobname, d.runid`,
    [failures.jobRole],
  );
  return found.rows;
}

test("runs the jobs of the ledger: a lot is debited to 0, an operation closed, an old key gone, each with its row", async () => {
  await expectLedgerRun(ledger, filled, PATIENCE_MS);
});

test("runs what fails, what is poisoned, what is cancelled and what is terminated, and its own record agrees", async () => {
  // Whichever comes first: pg_cron 1.4 starts no job while a worker is running (citusdata/pg_cron, issue 200).
  const endIn = async (kind: string, end: "pg_cancel_backend" | "pg_terminate_backend") => {
    const pid = await waitFor(
      async () => (await failing.runs(kind)).find(({ batches, status }) => status === "running" && batches === 1)?.pid,
      { what: `the run to be ${kind} is in its second batch`, timeoutMs: PATIENCE_MS },
    );
    await failing.rows(`select ${end}($1)`, [pid]);
  };
  await Promise.all([endIn("cancelled", "pg_cancel_backend"), endIn("terminated", "pg_terminate_backend")]);
  await waitFor(
    async () => {
      const ended = await records();
      return (
        ended.length === kinds.length && ended.every(({ status }) => status === "succeeded" || status === "failed")
      );
    },
    { what: "pg_cron has recorded the end of each", timeoutMs: PATIENCE_MS },
  );
  expect((await records()).map(({ job, status }) => [job, status])).toEqual([
    ["test:cancelled", "failed"],
    ["test:early", "succeeded"],
    ["test:failing", "failed"],
    ["test:good", "succeeded"],
    ["test:poisoned", "succeeded"],
    ["test:terminated", "failed"],
    ["test:timeout", "succeeded"],
  ]);
  expect((await records()).find(({ job }) => job === "test:failing")?.message).toMatch(/the disk is full/);
  const first = async (kind: string) => (await failing.runs(kind))[0];
  const scheduler = "pg_cron";
  expect(await first("early")).toBeUndefined();
  expect(await first("good")).toMatchObject({ scheduler, status: "succeeded", affected: 3, batches: 3 });
  expect(await first("failing")).toMatchObject({ scheduler, status: "failed", affected: 1, sqlstate: "53100" });
  expect(await first("poisoned")).toMatchObject({ scheduler, status: "succeeded", affected: 2, quarantined: 1 });
  expect(await first("cancelled")).toMatchObject({ scheduler, status: "failed", affected: 1, sqlstate: "57014" });
  expect(await first("terminated")).toMatchObject({ scheduler, affected: 1, batches: 1, sqlstate: null });

  await failing.rows(`update app.jobs set settings = '{"kind": "good"}'`);
  for (const kind of [...Object.keys(TEST_JOBS), "early"]) {
    await failing.rows("call app.run_job($1)", [kind]);
    expect(await failing.lastRun(kind), kind).toMatchObject({ scheduler: "manual", status: "succeeded" });
  }
  expect(await first("terminated")).toMatchObject({ status: "abandoned" });
});

test("gives a run the last resort that the jobs' time limits come to", async () => {
  const timeouts = await waitFor(
    async () => {
      const found = await failing.rows<{ seconds: number }>(
        "select extract(epoch from statement_timeout::interval)::int as seconds from app.test_timeouts",
      );
      return found.length > 0 && found;
    },
    { what: "pg_cron has run the job", timeoutMs: PATIENCE_MS },
  );
  expect(timeouts).toEqual([{ seconds: lastResortOf(targetsOf(failures).crontab.engineJobs) }]);
});
