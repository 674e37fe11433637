create or replace function app.cleanup_expired_operations_batch(
  p_now timestamptz, p_limit bigint, p_cursor jsonb, p_items text[], p_settings jsonb
)
returns app.batch_result
language plpgsql security definer
set search_path = ''
set lock_timeout = '5s'
as $$
declare
  v_after_time timestamptz := coalesce((p_cursor ->> 'expires_at')::timestamptz, '-infinity');
  v_after_id bigint := coalesce((p_cursor ->> 'operation_id')::bigint, 0);
  v_operation_ids bigint[];
  v_result app.batch_result;
begin
  if p_items is null then
    select
      coalesce(pg_catalog.array_agg(due.operation_id::text order by due.expires_at, due.operation_id), '{}'),
      coalesce(
        pg_catalog.jsonb_build_object(
          'expires_at', pg_catalog.max(due.expires_at),
          'operation_id', (pg_catalog.array_agg(due.operation_id order by due.expires_at desc, due.operation_id desc))[1]
        ),
        p_cursor
      ),
      pg_catalog.count(*) < p_limit
    into v_result.items, v_result.next_cursor, v_result.done
    from (
      select o.operation_id, o.expires_at
      from app.operations as o
      where o.state = 'open'
        and o.expires_at <= p_now
        and (o.expires_at, o.operation_id) > (v_after_time, v_after_id)
      order by o.expires_at, o.operation_id
      limit p_limit
    ) as due;
    return v_result;
  end if;

  -- The lots first, in key order, then the operations: as the application's functions do. What became of an operation
  -- while this waited for its lot is looked at again under its own lock.
  v_operation_ids := p_items::bigint[];
  perform
  from app.lots as l
  where l.lot_id in (select o.lot_id from app.operations as o where o.operation_id = any (v_operation_ids))
  order by l.lot_id
  for update;

  with locked as materialized (
    select o.operation_id
    from app.operations as o
    where o.operation_id = any (v_operation_ids)
      and o.state = 'open'
      and o.expires_at <= p_now
    order by o.operation_id
    for update
  ),
  closed as (
    update app.operations
    set state = 'expired', closed_at = pg_catalog.clock_timestamp()
    from locked
    where operations.operation_id = locked.operation_id
    returning operations.operation_id, operations.lot_id, operations.held_minor
  ),
  released as (
    insert into app.ledger_entries (lot_id, operation_id, kind, amount_minor)
    select c.lot_id, c.operation_id, 'release', c.held_minor
    from closed as c
    where c.held_minor > 0
  )
  select pg_catalog.count(*)
  into v_result.affected
  from closed;
  return v_result;
end;
$$;

comment on function app.cleanup_expired_operations_batch(timestamptz, bigint, jsonb, text[], jsonb) is
  'The batch function of ops_cleanup; an item is an operation_id. Closes operations that are open past expires_at; what '
  'they held goes back to its lot by one release entry. A lot that has expired meanwhile is due again by that.';

revoke all on function app.cleanup_expired_operations_batch(timestamptz, bigint, jsonb, text[], jsonb) from public;

create or replace procedure app.cleanup_expired_operations()
language plpgsql
as $$
begin
  call app.run_job('ops_cleanup');
end;
$$;

comment on procedure app.cleanup_expired_operations() is 'The job ops_cleanup.';

revoke all on procedure app.cleanup_expired_operations() from public;
