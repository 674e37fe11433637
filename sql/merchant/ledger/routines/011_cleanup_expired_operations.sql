create or replace function app.cleanup_expired_operations_batch(p_now timestamptz, p_limit bigint, p_cursor jsonb)
returns app.batch_result
language plpgsql security definer
set search_path = ''
set lock_timeout = '5s'
as $$
declare
  v_operation_ids bigint[];
  v_last app.operations;
begin
  -- The lots first, in key order, as a spend locks them; then the operations. What an operation became while this
  -- waited for its lot is looked at again under its own lock.
  select pg_catalog.array_agg(due.operation_id)
  into v_operation_ids
  from (
    select o.operation_id
    from app.operations as o
    where o.state = 'open'
      and o.expires_at <= p_now
      and (
        p_cursor is null
        or (o.expires_at, o.operation_id)
          > ((p_cursor ->> 'expires_at')::timestamptz, (p_cursor ->> 'operation_id')::bigint)
      )
    order by o.expires_at, o.operation_id
    limit p_limit
  ) as due;
  if v_operation_ids is null then
    return (0, p_cursor, true)::app.batch_result;
  end if;
  select o.* into v_last
  from app.operations as o
  where o.operation_id = any (v_operation_ids)
  order by o.expires_at desc, o.operation_id desc
  limit 1;

  perform
  from app.lots as l
  where l.lot_id in (select o.lot_id from app.operations as o where o.operation_id = any (v_operation_ids))
  order by l.lot_id
  for update;

  with closed as (
    update app.operations
    set state = 'expired', closed_at = pg_catalog.clock_timestamp()
    where operation_id = any (v_operation_ids)
      and state = 'open'
    returning operation_id, lot_id, held_minor
  )
  insert into app.ledger_entries (lot_id, operation_id, kind, amount_minor)
  select c.lot_id, c.operation_id, entry.kind, entry.sign * c.held_minor
  from closed as c
  join app.lots as l on l.lot_id = c.lot_id
  -- What comes back to a lot that has expired expires with it: expire_lots does not look at that lot again.
  join (values ('release', 1), ('expiry', -1)) as entry (kind, sign) on entry.kind = 'release' or l.expired_at is not null
  where c.held_minor > 0;

  return (
    (
      select pg_catalog.count(*)
      from app.operations as o
      where o.operation_id = any (v_operation_ids)
        and o.state = 'expired'
    ),
    pg_catalog.jsonb_build_object('expires_at', v_last.expires_at, 'operation_id', v_last.operation_id),
    pg_catalog.cardinality(v_operation_ids) < p_limit
  )::app.batch_result;
end;
$$;

comment on function app.cleanup_expired_operations_batch(timestamptz, bigint, jsonb) is
  'Closes operations that are open past expires_at; what they held goes back to its lot by one release entry.';

revoke all on function app.cleanup_expired_operations_batch(timestamptz, bigint, jsonb) from public;

create or replace procedure app.cleanup_expired_operations()
language plpgsql
as $$
begin
  call app.run_job('ops_cleanup');
end;
$$;

comment on procedure app.cleanup_expired_operations() is 'The job ops_cleanup.';

revoke all on procedure app.cleanup_expired_operations() from public;
