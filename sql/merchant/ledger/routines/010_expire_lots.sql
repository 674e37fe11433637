create or replace function app.expire_lots_batch(
  p_now timestamptz, p_limit bigint, p_cursor jsonb, p_items text[], p_settings jsonb
)
returns app.batch_result
language plpgsql security definer
set search_path = ''
set lock_timeout = '5s'
as $$
declare
  v_after_time timestamptz := coalesce((p_cursor ->> 'expires_at')::timestamptz, '-infinity');
  v_after_id bigint := coalesce((p_cursor ->> 'lot_id')::bigint, 0);
  v_lot_ids bigint[];
  v_result app.batch_result;
begin
  if p_items is null then
    select
      coalesce(pg_catalog.array_agg(due.lot_id::text order by due.expires_at, due.lot_id), '{}'),
      coalesce(
        pg_catalog.jsonb_build_object(
          'expires_at', pg_catalog.max(due.expires_at),
          'lot_id', (pg_catalog.array_agg(due.lot_id order by due.expires_at desc, due.lot_id desc))[1]
        ),
        p_cursor
      ),
      pg_catalog.count(*) < p_limit
    into v_result.items, v_result.next_cursor, v_result.done
    from (
      select l.lot_id, l.expires_at
      from app.lots as l
      where l.expired_at is null
        and l.expires_at <= p_now
        and (l.expires_at, l.lot_id) > (v_after_time, v_after_id)
      order by l.expires_at, l.lot_id
      limit p_limit
    ) as due;
    return v_result;
  end if;

  -- Lock and mark first, sum in a later statement: in one statement the sum is of a snapshot taken before the lock was
  -- granted, and a spend that committed in between would be debited twice.
  with locked as materialized (
    select l.lot_id
    from app.lots as l
    where l.lot_id = any (p_items::bigint[])
      and l.expired_at is null
      and l.expires_at <= p_now
    order by l.lot_id
    for update
  ),
  marked as (
    update app.lots
    set expired_at = pg_catalog.clock_timestamp()
    from locked
    where lots.lot_id = locked.lot_id
    returning lots.lot_id
  )
  select pg_catalog.array_agg(m.lot_id)
  into v_lot_ids
  from marked as m;

  insert into app.ledger_entries (lot_id, kind, amount_minor)
  select e.lot_id, 'expiry', -pg_catalog.sum(e.amount_minor)
  from app.ledger_entries as e
  where e.lot_id = any (v_lot_ids)
  group by e.lot_id
  having pg_catalog.sum(e.amount_minor) > 0;

  v_result.affected := coalesce(pg_catalog.cardinality(v_lot_ids), 0);
  return v_result;
end;
$$;

comment on function app.expire_lots_batch(timestamptz, bigint, jsonb, text[], jsonb) is
  'The batch function of lot_expiry; an item is a lot_id. Debits what is left of lots that are past expires_at, to '
  'exactly 0, and marks them expired.';

revoke all on function app.expire_lots_batch(timestamptz, bigint, jsonb, text[], jsonb) from public;

create or replace procedure app.expire_lots()
language plpgsql
as $$
begin
  call app.run_job('lot_expiry');
end;
$$;

comment on procedure app.expire_lots() is 'The job lot_expiry.';

revoke all on procedure app.expire_lots() from public;
