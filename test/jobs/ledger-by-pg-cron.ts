import { expect } from "vitest";
import { waitFor } from "../server.ts";
import type { JobsDatabase } from "./database.ts";

/** What there is to do for the jobs of the ledger. */
export interface Filled {
  readonly due: string;
  readonly later: string;
  readonly operation: string;
}

/** Makes a lot that is due, an operation that ran out of time on a lot that is not, and an old key beside others. */
export async function fillLedger(db: JobsDatabase): Promise<Filled> {
  const due = await db.lot("-1 day", [1000, -300]);
  const later = await db.lot("1 day", [500]);
  const [operation] = await db.rows<{ id: string }>(
    `with made as (
       insert into app.operations (lot_id, held_minor, expires_at) values ($1, 40, now() - interval '1 hour')
       returning operation_id, lot_id
     )
     insert into app.ledger_entries (lot_id, operation_id, kind, amount_minor)
     select lot_id, operation_id, 'hold', -40 from made returning operation_id as id`,
    [later],
  );
  await db.rows(
    `insert into app.idempotency_keys (key, state, created_at, finished_at) values
       ('old', 'succeeded', now() - interval '9 days', now() - interval '8 days'),
       ('new', 'succeeded', now(), now()), ('working', 'in_progress', now() - interval '1 year', null)`,
  );
  return { due, later, operation: operation!.id };
}

/** Waits until pg_cron has run the three jobs, and looks whether they have done it all. */
export async function expectLedgerRun(db: JobsDatabase, filled: Filled, timeoutMs: number): Promise<void> {
  const seen = await waitFor(
    async () => {
      const found = await db.rows<{ name: string; affected: number }>(
        `select j.name, sum(r.affected_rows)::int as affected from app.job_runs as r join app.jobs as j using (job_id)
         where r.status = 'succeeded' and r.scheduler = 'pg_cron' group by j.name having sum(r.affected_rows) > 0 order by 1`,
      );
      return found.length === 3 ? found : undefined;
    },
    { what: "pg_cron has run the three jobs", timeoutMs },
  );
  expect(seen).toEqual([
    { name: "idempotency_cleanup", affected: 1 },
    { name: "lot_expiry", affected: 1 },
    { name: "ops_cleanup", affected: 1 },
  ]);
  expect(await db.expiries([filled.due, filled.later])).toEqual([
    [0, 1],
    [500, 0],
  ]);
  expect(await db.rows("select state from app.operations where operation_id = $1", [filled.operation])).toEqual([
    { state: "expired" },
  ]);
  expect(await db.rows("select key from app.idempotency_keys order by 1")).toEqual([
    { key: "new" },
    { key: "working" },
  ]);
}
