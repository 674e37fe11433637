import { setTimeout as pause } from "node:timers/promises";
import type pg from "pg";
import { JOBS } from "../../spec/jobs.ts";
import type { RunningServer } from "../../local/postgres.ts";
import { withClient, withCopy } from "./databases.ts";
import { oneStatement } from "./lots.ts";
import { p99, pacedUntil } from "./paced.ts";

/** How often the other session comes, in milliseconds. */
const EVERY = 10;
/** How long a quiet server is measured, in milliseconds. */
const QUIET = 10_000;

/** The two ways to expire what is due. */
export const ways = { run: "call app.expire_lots()", statement: oneStatement } as const;
export type Way = keyof typeof ways;

/** Each of these works on a fresh copy of a database full of due lots; `lots` is how many. */
export interface ExpiryBench {
  readonly server: RunningServer;
  readonly original: string;
  readonly lots: number;
}

/** How many seconds it takes, with or without another session that keeps a snapshot from before. */
export async function secondsOf(bench: ExpiryBench, way: Way, oldSnapshot = false): Promise<number> {
  return onCopy(bench, async (client, other) => {
    if (oldSnapshot) {
      await other.query("begin isolation level repeatable read");
      await other.query("select count(*) from app.jobs");
    }
    const began = performance.now();
    await client.query(ways[way]);
    const seconds = (performance.now() - began) / 1000;
    await other.query("rollback");
    await assertExpired(client, bench.lots);
    return seconds;
  });
}

/** What 99 of 100 waits of a session for a lot whose turn it is stay below, in milliseconds. */
export async function p99OfWaits(bench: ExpiryBench, way: Way): Promise<number> {
  return onCopy(bench, async (client, other) => {
    const waits = await pacedUntil(client.query(ways[way]), EVERY, async () => {
      await other.query(lotAtWork, [bench.lots, JOBS.lot_expiry.batches.batchSize]);
    });
    await assertExpired(client, bench.lots);
    return p99(waits);
  });
}

/** Locks one of the lots that a run does next, in the order in which they are due. */
const lotAtWork = `
  select
  from app.lots
  where lot_id = (
    select d.lot_id
    from public.due_order as d,
      (select coalesce((select affected_rows from app.job_runs order by run_id desc limit 1), 0) as done) as r,
      (select floor(random() * $2::bigint)::bigint as ahead) as a
    where d.place = least($1::bigint - 1, r.done + a.ahead)
  )
  for update`;

/** What 99 of 100 inserts of another session stay below, in milliseconds: while somebody expires what is due, or nobody. */
export async function p99OfInserts(bench: ExpiryBench, way: Way | undefined): Promise<number> {
  return onCopy(bench, async (client, other) => {
    const work = way === undefined ? pause(QUIET) : client.query(ways[way]);
    const took = await pacedUntil(work, EVERY, async () => {
      await other.query("select app.grant_lot('traffic', now() + interval '1 year', 100)");
    });
    if (way !== undefined) await assertExpired(client, bench.lots);
    return p99(took);
  });
}

async function onCopy<T>(
  { server, original }: ExpiryBench,
  work: (client: pg.Client, other: pg.Client) => Promise<T>,
): Promise<T> {
  return withCopy(server, original, (copy) =>
    withClient(server, copy, (client) => withClient(server, copy, (other) => work(client, other))),
  );
}

/** A figure for work that was not done is none. */
async function assertExpired(client: pg.Client, lots: number): Promise<void> {
  const { rows } = await client.query<{ marked: string; debited: string }>(
    `select (select count(*) from app.lots where expired_at is not null) as marked,
       (select count(*) from app.ledger_entries where kind = 'expiry') as debited`,
  );
  if (Number(rows[0]?.marked) === lots && Number(rows[0]?.debited) === lots) return;
  throw new Error(`${String(lots)} lots were due: ${JSON.stringify(rows[0])}`);
}
