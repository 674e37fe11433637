import { afterAll, beforeAll, expect, test } from "vitest";
import { expectLedgerRun, fillLedger } from "../jobs/ledger-by-pg-cron.ts";
import { JobsDatabase } from "../jobs/database.ts";
import { onboard, prepareCell, specOf } from "../merchants.ts";
import { dropMerchantLeftovers, freshName } from "../server.ts";

const prefix = freshName("minute");
const everyMinute = { schedule: "* * * * *" };
/** The next full minute, and what a slow machine takes to start and end the runs. */
const PATIENCE_MS = 110_000;

beforeAll(() => prepareCell());
afterAll(() => dropMerchantLeftovers(`merchant_${prefix}`));

test("pg_cron runs a crontab as converge made it, at its minute, and catch-up finds nothing left to do", async () => {
  const jobs = { lot_expiry: everyMinute, ops_cleanup: everyMinute, idempotency_cleanup: everyMinute };
  const spec = specOf(prefix, { jobs });
  await onboard(spec);
  const db = await JobsDatabase.open(spec.database);
  try {
    await expectLedgerRun(db, await fillLedger(db), PATIENCE_MS);
    await db.rows("call app.run_overdue()");
    expect(await db.rows("select from app.job_runs where scheduler = 'manual'")).toEqual([]);
  } finally {
    await db.close();
  }
});
