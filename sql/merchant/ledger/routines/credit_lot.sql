create or replace function app.credit_lot(p_lot_id bigint, p_amount_minor bigint) returns bigint
language plpgsql security definer
set search_path = ''
as $$
declare
  v_granted numeric;
  v_entry_id bigint;
begin
  perform app.require_amount(p_amount_minor);
  perform app.lock_lot(p_lot_id);
  -- Everything else that a lot gets is a part of its grants that was taken before, so no sum of its entries overflows.
  select coalesce(pg_catalog.sum(e.amount_minor), 0)
  into v_granted
  from app.ledger_entries as e
  where e.lot_id = p_lot_id
    and e.kind = 'grant';
  if v_granted + p_amount_minor > 9223372036854775807 then
    raise exception 'lot % was granted %, and % more is above what a lot may get', p_lot_id, v_granted, p_amount_minor
      using errcode = 'MJ022', hint = 'All grants of a lot together are at most 9223372036854775807 minor units.';
  end if;
  insert into app.ledger_entries (lot_id, kind, amount_minor)
  values (p_lot_id, 'grant', p_amount_minor)
  returning entry_id into v_entry_id;
  return v_entry_id;
end;
$$;

comment on function app.credit_lot(bigint, bigint) is
  'Adds p_amount_minor minor units to a lot; returns the entry_id. A lot that has expired takes them too, and the next run '
  'of expire_lots takes them away. Raises MJ004 for an amount that is none, MJ005 for no such lot, MJ022 for too much.';

revoke all on function app.credit_lot(bigint, bigint) from public;
