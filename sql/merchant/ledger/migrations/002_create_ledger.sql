-- The reference ledger. Replace this folder by your own: the engine, the catalogue's code and converge know no table of it.
-- Amounts are bigint in minor units (cents). A lot's balance is the sum of its entries.

create table app.lots (
  lot_id bigint generated always as identity,
  account text not null,
  expires_at timestamptz not null,
  expired_at timestamptz,
  created_at timestamptz not null default pg_catalog.clock_timestamp(),
  constraint lots_pkey primary key (lot_id),
  constraint lots_account_length check (pg_catalog.length(account) between 1 and 200)
);

comment on table app.lots is 'Credit that runs out together. What is left of it is the sum of its ledger entries.';
comment on column app.lots.expired_at is
  'When expire_lots took what was left of it. Null again once more was added since: the next run takes that too.';

-- The work of a run is proportional to what is due.
create index lots_due on app.lots (expires_at, lot_id) where expired_at is null;

create table app.operations (
  operation_id bigint generated always as identity,
  lot_id bigint,
  held_minor bigint not null default 0,
  state text not null default 'open',
  expires_at timestamptz not null,
  closed_at timestamptz,
  created_at timestamptz not null default pg_catalog.clock_timestamp(),
  constraint operations_pkey primary key (operation_id),
  constraint operations_lot_id_fkey foreign key (lot_id) references app.lots (lot_id),
  constraint operations_held_minor_range check (held_minor >= 0 and (held_minor = 0 or lot_id is not null)),
  constraint operations_state_known check (state in ('open', 'completed', 'expired', 'cancelled')),
  constraint operations_closed check ((state = 'open') = (closed_at is null))
);

comment on table app.operations is 'Something begun that must be completed in time; it may hold money of a lot meanwhile.';
comment on column app.operations.held_minor is
  'Minor units that a hold entry took from the lot. One release entry gives them back when the operation ends, and one '
  'spend entry takes them for good when it ends completed.';

create index operations_due on app.operations (expires_at, operation_id) where state = 'open';

create table app.ledger_entries (
  entry_id bigint generated always as identity,
  lot_id bigint not null,
  operation_id bigint,
  refunded_entry_id bigint,
  kind text not null,
  amount_minor bigint not null,
  created_at timestamptz not null default pg_catalog.clock_timestamp(),
  constraint ledger_entries_pkey primary key (entry_id),
  constraint ledger_entries_lot_id_fkey foreign key (lot_id) references app.lots (lot_id),
  constraint ledger_entries_operation_id_fkey foreign key (operation_id) references app.operations (operation_id),
  constraint ledger_entries_refunded_entry_id_fkey
  foreign key (refunded_entry_id) references app.ledger_entries (entry_id),
  constraint ledger_entries_kind_known check (kind in ('grant', 'spend', 'refund', 'hold', 'release', 'expiry')),
  constraint ledger_entries_amount_minor_sign check (
    amount_minor <> 0 and (amount_minor < 0) = (kind in ('spend', 'hold', 'expiry'))
  ),
  constraint ledger_entries_operation_of_hold check (kind not in ('hold', 'release') or operation_id is not null),
  constraint ledger_entries_entry_of_refund check ((kind = 'refund') = (refunded_entry_id is not null))
);

comment on table app.ledger_entries is 'Every change of a lot, for ever: rows are added, never changed or removed.';
comment on column app.ledger_entries.amount_minor is 'Minor units; negative takes from the lot.';
comment on column app.ledger_entries.refunded_entry_id is 'The spend entry that a refund gives back, whole or in part.';

create index ledger_entries_by_lot on app.ledger_entries (lot_id) include (amount_minor);
-- An operation holds, releases and spends once.
create unique index ledger_entries_once_an_operation
on app.ledger_entries (operation_id, kind)
where operation_id is not null;
create unique index ledger_entries_one_refund
on app.ledger_entries (refunded_entry_id)
where refunded_entry_id is not null;

create table app.idempotency_keys (
  key text not null,
  state text not null default 'in_progress',
  response jsonb,
  created_at timestamptz not null default pg_catalog.clock_timestamp(),
  finished_at timestamptz,
  constraint idempotency_keys_pkey primary key (key),
  constraint idempotency_keys_key_length check (pg_catalog.length(key) between 1 and 200),
  constraint idempotency_keys_state_known check (state in ('in_progress', 'succeeded', 'failed')),
  constraint idempotency_keys_finished check ((state = 'in_progress') = (finished_at is null))
);

comment on table app.idempotency_keys is 'One row for each request that a client may repeat, so that it takes effect once.';

create index idempotency_keys_finished on app.idempotency_keys (finished_at, key) where state <> 'in_progress';
create index idempotency_keys_in_progress on app.idempotency_keys (created_at, key) where state = 'in_progress';

create view app.stuck_idempotency_keys as
select
  k.key,
  k.created_at
from app.idempotency_keys as k
where k.state = 'in_progress'
  and k.created_at <= pg_catalog.clock_timestamp() - interval '24 hours';

comment on view app.stuck_idempotency_keys is
  'Requests in progress for more than a day. No job ends them: whether one took effect is for a person to find out, who '
  'then calls app.finish_key.';

create function app.refuse_ledger_change() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  raise exception 'app.ledger_entries is append-only: % refused', tg_op
    using errcode = 'MJ003', hint = 'Correct a ledger by a further entry.';
end;
$$;

comment on function app.refuse_ledger_change() is 'Keeps app.ledger_entries append-only.';

create trigger ledger_entries_append_only
before update or delete or truncate on app.ledger_entries
for each statement execute function app.refuse_ledger_change();

create function app.touch_lot() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  -- What is added to a lot that has expired makes it due again, whoever writes the entry. An update that changes nothing
  -- counts too: a transaction that goes on from an older snapshot, and would not see the entry, fails at this lot (40001).
  update app.lots
  set expired_at = case when new.amount_minor < 0 then expired_at end
  where lot_id = new.lot_id;
  return new;
end;
$$;

comment on function app.touch_lot() is
  'Locks and updates the lot of a new entry: no expiry misses the entry, in whatever isolation level it runs.';

-- Not for an expiry: expire_lots changes the lots itself, as a set.
create trigger ledger_entries_touch_lot
before insert on app.ledger_entries
for each row when (new.kind <> 'expiry') execute function app.touch_lot();
