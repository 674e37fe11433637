create or replace function app.cancel_operation(p_operation_id bigint) returns void
language plpgsql security definer
set search_path = ''
as $$
begin
  perform app.close_operation(p_operation_id, 'cancelled');
end;
$$;

comment on function app.cancel_operation(bigint) is
  'Ends an operation as cancelled: what it held goes back to its lot. Raises MJ026 for no such operation, MJ027 when it has '
  'ended, MJ028 when it ran out of time.';

revoke all on function app.cancel_operation(bigint) from public;
