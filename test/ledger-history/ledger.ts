import type pg from "pg";

/** One ledger entry. */
export interface Entry {
  readonly id: string;
  readonly lot: string;
  readonly operation: string | null;
  readonly refunded: string | null;
  readonly kind: "grant" | "spend" | "refund" | "hold" | "release" | "expiry";
  readonly amount: number;
}

export interface Lot {
  readonly id: string;
  /** Its time is over. */
  readonly due: boolean;
  /** A run has taken what was left, and nothing was added since. */
  readonly expired: boolean;
}

export interface Operation {
  readonly id: string;
  readonly lot: string | null;
  readonly held: number;
  readonly state: "open" | "completed" | "expired" | "cancelled";
  readonly due: boolean;
}

export interface Key {
  readonly key: string;
  readonly state: "in_progress" | "succeeded" | "failed";
  /** It has been finished for the retention. */
  readonly due: boolean;
}

/** Everything that there is of one history; entries in the order of their ids, which on one lot is that of its changes. */
export interface Ledger {
  readonly lots: readonly Lot[];
  readonly entries: readonly Entry[];
  readonly operations: readonly Operation[];
  readonly keys: readonly Key[];
}

/**
 * Looks at what there is of a history, all at one moment. Operations that hold nothing belong to no account: those are
 * asked for by id.
 */
export async function readLedger(client: pg.Client, account: string, operations: readonly string[]): Promise<Ledger> {
  const { rows } = await client.query<{ ledger: Ledger }>(
    `with l as (select * from app.lots where account = $1)
     select json_build_object(
       'lots', (select coalesce(json_agg(json_build_object(
           'id', lot_id::text, 'due', expires_at <= now(), 'expired', expired_at is not null) order by lot_id), '[]')
         from l),
       'entries', (select coalesce(json_agg(json_build_object(
           'id', entry_id::text, 'lot', lot_id::text, 'operation', operation_id::text, 'refunded', refunded_entry_id::text,
           'kind', kind, 'amount', amount_minor) order by entry_id), '[]')
         from app.ledger_entries where lot_id in (select lot_id from l)),
       'operations', (select coalesce(json_agg(json_build_object(
           'id', operation_id::text, 'lot', lot_id::text, 'held', held_minor, 'state', state, 'due', expires_at <= now())
           order by operation_id), '[]')
         from app.operations where lot_id in (select lot_id from l) or operation_id = any ($2)),
       'keys', (select coalesce(json_agg(json_build_object(
           'key', key, 'state', state, 'due', coalesce(finished_at <= now() - interval '7 days', false)) order by key), '[]')
         from app.idempotency_keys where starts_with(key, $1 || ' '))
     ) as ledger`,
    [account, operations],
  );
  return rows[0]!.ledger;
}

/** Sets the clock, as far as a history can see it: everything of it that has a time moves the other way. */
export async function moveClock(
  client: pg.Client,
  account: string,
  operations: readonly string[],
  hours: number,
): Promise<void> {
  const by = `${String(hours)} hours`;
  await client.query("begin");
  await client.query("update app.lots set expires_at = expires_at - $2::interval where account = $1", [account, by]);
  await client.query("update app.operations set expires_at = expires_at - $2::interval where operation_id = any ($1)", [
    operations,
    by,
  ]);
  await client.query(
    `update app.idempotency_keys
     set created_at = created_at - $2::interval, finished_at = finished_at - $2::interval
     where starts_with(key, $1 || ' ')`,
    [account, by],
  );
  await client.query("commit");
}
