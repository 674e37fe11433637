create or replace function app.cleanup_expired_operations_batch(
  p_now timestamptz,
  p_limit bigint,
  p_cursor jsonb,
  p_items text[],
  p_settings jsonb
)
returns app.batch_result
language plpgsql security definer
set search_path = ''
set lock_timeout = '5s'
as $$
declare
  v_result app.batch_result;
  v_operation_ids constant bigint[] := p_items::bigint[];
begin
  if p_items is null then
    select
      pg_catalog.array_agg(due.operation_id::text order by due.expires_at, due.operation_id),
      (
        pg_catalog.array_agg(
          pg_catalog.jsonb_build_object('expires_at', due.expires_at, 'operation_id', due.operation_id)
          order by due.expires_at desc, due.operation_id desc
        )
      )[1],
      pg_catalog.count(*) < p_limit
    into v_result.items, v_result.next_cursor, v_result.done
    from (
      select o.operation_id, o.expires_at
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
    return v_result;
  end if;

  -- The lots first, in key order, as a spend locks them; then the operations. What an operation became while this
  -- waited for its lot is looked at again under its own lock.
  perform
  from app.lots as l
  where l.lot_id in (select o.lot_id from app.operations as o where o.operation_id = any (v_operation_ids))
  order by l.lot_id
  for update;
  perform
  from app.operations as o
  where o.operation_id = any (v_operation_ids)
  order by o.operation_id
  for update;

  with closed as (
    update app.operations
    set state = 'expired', closed_at = pg_catalog.clock_timestamp()
    where operation_id = any (v_operation_ids)
      and state = 'open'
      and expires_at <= p_now
    returning operation_id, lot_id, held_minor
  ),
  given_back as (
    insert into app.ledger_entries (lot_id, operation_id, kind, amount_minor)
    select c.lot_id, c.operation_id, entry.kind, entry.sign * c.held_minor
    from closed as c
    join app.lots as l on l.lot_id = c.lot_id
    -- What comes back to a lot that has expired expires with it: expire_lots does not look at that lot again.
    join (values ('release', 1), ('expiry', -1)) as entry (kind, sign)
      on entry.kind = 'release' or l.expired_at is not null
    where c.held_minor > 0
  )
  select pg_catalog.count(*) into v_result.affected from closed;
  return v_result;
end;
$$;

comment on function app.cleanup_expired_operations_batch(timestamptz, bigint, jsonb, text[], jsonb) is
  'Closes operations that are open past expires_at; what they held goes back to its lot by one release entry.';

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
