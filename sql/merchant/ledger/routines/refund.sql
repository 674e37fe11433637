create or replace function app.refund(p_entry_id bigint, p_amount_minor bigint) returns bigint
language plpgsql security definer
set search_path = ''
as $$
declare
  v_spend app.ledger_entries;
  v_entry_id bigint;
begin
  perform app.require_amount(p_amount_minor);
  -- Entries never change, so this one may be read before the lot is locked.
  select e.* into v_spend from app.ledger_entries as e where e.entry_id = p_entry_id and e.kind = 'spend';
  if not found then
    raise exception 'there is no spend entry %', p_entry_id using errcode = 'MJ023';
  end if;
  if p_amount_minor > -v_spend.amount_minor then
    raise exception 'entry % spent %, and % cannot be refunded', p_entry_id, -v_spend.amount_minor, p_amount_minor
      using errcode = 'MJ024';
  end if;
  perform app.lock_lot(v_spend.lot_id);
  if exists (select from app.ledger_entries as e where e.refunded_entry_id = p_entry_id) then
    raise exception 'entry % was refunded before', p_entry_id using errcode = 'MJ025';
  end if;
  insert into app.ledger_entries (lot_id, refunded_entry_id, kind, amount_minor)
  values (v_spend.lot_id, p_entry_id, 'refund', p_amount_minor)
  returning entry_id into v_entry_id;
  return v_entry_id;
end;
$$;

comment on function app.refund(bigint, bigint) is
  'Gives back p_amount_minor minor units, or less than all, of a spend entry to its lot, once; returns the entry_id. What '
  'comes back to a lot that has expired is taken away by the next run of expire_lots. Raises MJ004 for an amount that is '
  'none, MJ023 for no such spend entry, MJ024 for more than was spent, MJ025 when it was refunded before.';

revoke all on function app.refund(bigint, bigint) from public;
