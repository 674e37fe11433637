create or replace function app.debit_lot(p_lot_id bigint, p_operation_id bigint, p_kind text, p_amount_minor bigint)
returns bigint
language plpgsql
set search_path = ''
as $$
declare
  v_lot app.lots;
  v_balance numeric;
  v_entry_id bigint;
begin
  perform app.require_amount(p_amount_minor);
  v_lot := app.lock_lot(p_lot_id);
  -- The clock is looked at after the lock was granted.
  if v_lot.expired_at is not null or v_lot.expires_at <= pg_catalog.clock_timestamp() then
    raise exception 'lot % has expired', p_lot_id using errcode = 'MJ006';
  end if;
  select coalesce(pg_catalog.sum(e.amount_minor), 0)
  into v_balance
  from app.ledger_entries as e
  where e.lot_id = p_lot_id;
  if v_balance < p_amount_minor then
    raise exception 'lot % has % left, and % cannot be taken', p_lot_id, v_balance, p_amount_minor
      using errcode = 'MJ007';
  end if;
  insert into app.ledger_entries (lot_id, operation_id, kind, amount_minor)
  values (p_lot_id, p_operation_id, p_kind, -p_amount_minor)
  returning entry_id into v_entry_id;
  return v_entry_id;
end;
$$;

comment on function app.debit_lot(bigint, bigint, text, bigint) is
  'Takes from a lot what it has, under its lock, and gives the entry_id. Raises MJ004 for an amount that is none, MJ005 '
  'for no such lot, MJ006 when it has expired, MJ007 when less is left.';

revoke all on function app.debit_lot(bigint, bigint, text, bigint) from public;
