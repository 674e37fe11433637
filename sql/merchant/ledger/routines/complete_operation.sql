create or replace function app.complete_operation(p_operation_id bigint) returns bigint
language plpgsql security definer
set search_path = ''
as $$
declare
  v_operation app.operations;
  v_entry_id bigint;
begin
  v_operation := app.close_operation(p_operation_id, 'completed');
  -- What was held is there to be spent, also when the lot has expired meanwhile.
  if v_operation.held_minor > 0 then
    insert into app.ledger_entries (lot_id, operation_id, kind, amount_minor)
    values (v_operation.lot_id, p_operation_id, 'spend', -v_operation.held_minor)
    returning entry_id into v_entry_id;
  end if;
  return v_entry_id;
end;
$$;

comment on function app.complete_operation(bigint) is
  'Ends an operation as completed and spends what it held; returns the entry_id of that, null when it held nothing. Raises '
  'MJ026 for no such operation, MJ027 when it has ended, MJ028 when it ran out of time.';

revoke all on function app.complete_operation(bigint) from public;
