create or replace function app.spend(p_lot_id bigint, p_amount_minor bigint) returns bigint
language plpgsql security definer
set search_path = ''
as $$
begin
  return app.debit_lot(p_lot_id, null, 'spend', p_amount_minor);
end;
$$;

comment on function app.spend(bigint, bigint) is
  'Takes p_amount_minor minor units from a lot; returns the entry_id. Raises MJ004 for an amount that is none, MJ005 for '
  'no such lot, MJ006 when it has expired, MJ007 when less is left.';

revoke all on function app.spend(bigint, bigint) from public;
