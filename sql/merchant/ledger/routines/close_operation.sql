create or replace function app.close_operation(p_operation_id bigint, p_state text) returns app.operations
language plpgsql
set search_path = ''
set lock_timeout = '5s'
as $$
declare
  v_operation app.operations;
begin
  -- The lot of an operation never changes, so it may be read before it is locked.
  select o.* into v_operation from app.operations as o where o.operation_id = p_operation_id;
  if not found then
    raise exception 'there is no operation %', p_operation_id using errcode = 'MJ026';
  end if;
  if v_operation.lot_id is not null then
    perform app.lock_lot(v_operation.lot_id);
  end if;
  select o.* into v_operation from app.operations as o where o.operation_id = p_operation_id for update;
  if v_operation.state <> 'open' then
    raise exception 'operation % is %', p_operation_id, v_operation.state using errcode = 'MJ027';
  end if;
  if v_operation.expires_at <= pg_catalog.clock_timestamp() then
    raise exception 'operation % ran out of time', p_operation_id using errcode = 'MJ028';
  end if;
  update app.operations
  set state = p_state, closed_at = pg_catalog.clock_timestamp()
  where operation_id = p_operation_id;
  if v_operation.held_minor > 0 then
    insert into app.ledger_entries (lot_id, operation_id, kind, amount_minor)
    values (v_operation.lot_id, p_operation_id, 'release', v_operation.held_minor);
  end if;
  return v_operation;
end;
$$;

comment on function app.close_operation(bigint, text) is
  'Ends an operation that is open, and gives back what it held. Raises MJ026 for no such operation, MJ027 when it has '
  'ended, MJ028 when it ran out of time.';

revoke all on function app.close_operation(bigint, text) from public;
