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
comment on column app.lots.expired_at is 'When expire_lots took what was left of it; spending from it is over.';

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
  constraint operations_state_known check (state in ('open', 'completed', 'expired')),
  constraint operations_closed check ((state = 'open') = (closed_at is null))
);

comment on table app.operations is 'Something begun that must be completed in time; it may hold money of a lot meanwhile.';
comment on column app.operations.held_minor is
  'Minor units that a hold entry took from the lot; a release entry gives them back when the operation expires.';

create index operations_due on app.operations (expires_at, operation_id) where state = 'open';

create table app.ledger_entries (
  entry_id bigint generated always as identity,
  lot_id bigint not null,
  operation_id bigint,
  kind text not null,
  amount_minor bigint not null,
  created_at timestamptz not null default pg_catalog.clock_timestamp(),
  constraint ledger_entries_pkey primary key (entry_id),
  constraint ledger_entries_lot_id_fkey foreign key (lot_id) references app.lots (lot_id),
  constraint ledger_entries_operation_id_fkey foreign key (operation_id) references app.operations (operation_id),
  constraint ledger_entries_kind_known check (kind in ('grant', 'spend', 'refund', 'hold', 'release', 'expiry')),
  constraint ledger_entries_amount_minor_sign check (
    amount_minor <> 0 and (amount_minor < 0) = (kind in ('spend', 'hold', 'expiry'))
  )
);

comment on table app.ledger_entries is 'Every change of a lot, for ever: rows are added, never changed or removed.';
comment on column app.ledger_entries.amount_minor is 'Minor units; negative takes from the lot.';

create index ledger_entries_by_lot on app.ledger_entries (lot_id) include (amount_minor);
create unique index ledger_entries_one_release on app.ledger_entries (operation_id) where kind = 'release';

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
