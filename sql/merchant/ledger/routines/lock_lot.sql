create or replace function app.lock_lot(p_lot_id bigint) returns app.lots
language plpgsql
set search_path = ''
set lock_timeout = '5s'
as $$
declare
  v_lot app.lots;
begin
  select l.* into v_lot from app.lots as l where l.lot_id = p_lot_id for update;
  if not found then
    raise exception 'there is no lot %', p_lot_id using errcode = 'MJ005';
  end if;
  return v_lot;
end;
$$;

comment on function app.lock_lot(bigint) is
  'The first thing that whoever moves money of a lot does, as the jobs do; an operation is locked after its lot. What the '
  'lot holds is summed in a later statement: in the same one the sum is of a snapshot taken before the lock was granted. '
  'Raises MJ005 for no such lot.';

revoke all on function app.lock_lot(bigint) from public;
