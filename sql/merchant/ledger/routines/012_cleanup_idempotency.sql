create or replace function app.cleanup_idempotency_batch(
  p_now timestamptz, p_limit bigint, p_cursor jsonb, p_items text[], p_settings jsonb
)
returns app.batch_result
language plpgsql security definer
set search_path = ''
set lock_timeout = '5s'
as $$
declare
  v_after_time timestamptz := coalesce((p_cursor ->> 'finished_at')::timestamptz, '-infinity');
  v_after_key text := coalesce(p_cursor ->> 'key', '');
  -- Hours: a day of 23 or 25 of them, where the session's time zone has one, changes nothing.
  v_until timestamptz := p_now - pg_catalog.make_interval(hours => 24 * coalesce(p_settings ->> 'retentionDays', '7')::integer);
  v_result app.batch_result;
begin
  -- Only finished keys: one that is in progress is the proof that a request must not be done again, however old.
  if p_items is null then
    select
      coalesce(pg_catalog.array_agg(due.key order by due.finished_at, due.key), '{}'),
      coalesce(
        pg_catalog.jsonb_build_object(
          'finished_at', pg_catalog.max(due.finished_at),
          'key', (pg_catalog.array_agg(due.key order by due.finished_at desc, due.key desc))[1]
        ),
        p_cursor
      ),
      pg_catalog.count(*) < p_limit
    into v_result.items, v_result.next_cursor, v_result.done
    from (
      select k.key, k.finished_at
      from app.idempotency_keys as k
      where k.state <> 'in_progress'
        and k.finished_at <= v_until
        and (k.finished_at, k.key) > (v_after_time, v_after_key)
      order by k.finished_at, k.key
      limit p_limit
    ) as due;
    return v_result;
  end if;

  with locked as materialized (
    select k.key
    from app.idempotency_keys as k
    where k.key = any (p_items)
      and k.state <> 'in_progress'
      and k.finished_at <= v_until
    order by k.key
    for update
  )
  delete from app.idempotency_keys
  using locked
  where idempotency_keys.key = locked.key;
  get diagnostics v_result.affected = row_count;
  return v_result;
end;
$$;

comment on function app.cleanup_idempotency_batch(timestamptz, bigint, jsonb, text[], jsonb) is
  'The batch function of idempotency_cleanup; an item is a key. Deletes idempotency keys that have been finished for '
  'the setting retentionDays (7 when it is not given).';

revoke all on function app.cleanup_idempotency_batch(timestamptz, bigint, jsonb, text[], jsonb) from public;

create or replace procedure app.cleanup_idempotency()
language plpgsql
as $$
begin
  call app.run_job('idempotency_cleanup');
end;
$$;

comment on procedure app.cleanup_idempotency() is 'The job idempotency_cleanup.';

revoke all on procedure app.cleanup_idempotency() from public;
