import type pg from "pg";

/**
 * Fills an empty ledger with lots as years of business leave them: one after the other, for 30, 90 or 365 days, each with
 * its grant, and every second one with a spend. All are due.
 */
export async function addDueLots(client: pg.Client, count: number): Promise<void> {
  await client.query("begin");
  // The triggers and foreign keys of a million entries, one by one, are not what is measured.
  await client.query("set local session_replication_role = replica");
  await client.query(
    `insert into app.lots (account, expires_at, created_at)
     select 'account ' || n % 1000, g.created_at + (array[30, 90, 365])[1 + n * 7919 % 3] * interval '1 day', g.created_at
     from generate_series(1, $1::bigint) as n
     cross join lateral (select now() - interval '2 years' + n * (interval '300 days' / $1::bigint) as created_at) as g`,
    [count],
  );
  await client.query(
    "insert into app.ledger_entries (lot_id, kind, amount_minor) select lot_id, 'grant', 1000 + lot_id % 1000 from app.lots order by 1",
  );
  await client.query(
    `insert into app.ledger_entries (lot_id, kind, amount_minor)
     select lot_id, 'spend', -(1 + lot_id % 1000) from app.lots where lot_id % 2 = 0 order by lot_id * 7919 % $1::bigint`,
    [count],
  );
  await client.query("create table public.due_order (place bigint primary key, lot_id bigint not null)");
  await client.query(
    "insert into public.due_order select row_number() over (order by expires_at, lot_id) - 1, lot_id from app.lots",
  );
  await client.query("commit");
  await client.query("vacuum (analyze)");
}

/** Fills an empty ledger with lots of which none is due. */
export async function addLotsForLater(client: pg.Client, count: number): Promise<void> {
  await client.query(
    `insert into app.lots (account, expires_at)
     select 'account ' || n % 1000, now() + interval '1 year' + n * interval '1 second' from generate_series(1, $1::bigint) as n`,
    [count],
  );
  await client.query("vacuum (analyze) app.lots");
}

/** What the job does, as one statement: the same lots locked, the same entries, the same marks. */
export const oneStatement = `
  with due as materialized (
    select lot_id
    from app.lots
    where expired_at is null
      and expires_at <= now()
    order by lot_id
    for update
  ),
  marked as (
    update app.lots
    set expired_at = clock_timestamp()
    from due
    where lots.lot_id = due.lot_id
  )
  insert into app.ledger_entries (lot_id, kind, amount_minor)
  select lot_id, 'expiry', -sum(amount_minor)
  from app.ledger_entries
  join due using (lot_id)
  group by lot_id
  having sum(amount_minor) > 0`;
