create or replace function app.open_operation(
  p_expires_at timestamptz, p_lot_id bigint default null, p_held_minor bigint default null
)
returns bigint
language plpgsql security definer
set search_path = ''
as $$
declare
  v_operation_id bigint;
begin
  perform app.require_term(p_expires_at);
  if p_lot_id is null and p_held_minor is null then
    insert into app.operations (expires_at) values (p_expires_at) returning operation_id into v_operation_id;
    return v_operation_id;
  end if;
  perform app.require_amount(p_held_minor);
  -- Before the operation refers to it: first the lot.
  perform app.lock_lot(p_lot_id);
  insert into app.operations (lot_id, held_minor, expires_at)
  values (p_lot_id, p_held_minor, p_expires_at)
  returning operation_id into v_operation_id;
  perform app.debit_lot(p_lot_id, v_operation_id, 'hold', p_held_minor);
  return v_operation_id;
end;
$$;

comment on function app.open_operation(timestamptz, bigint, bigint) is
  'Begins an operation that must be completed before p_expires_at, which may hold p_held_minor minor units of a lot '
  'meanwhile; returns its operation_id. Raises MJ021 for a time that is not in the future, and for what it holds as '
  'app.spend does.';

revoke all on function app.open_operation(timestamptz, bigint, bigint) from public;
