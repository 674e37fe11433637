create or replace function app.cleanup_idempotency_batch(
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
  v_until constant timestamptz :=
    p_now - pg_catalog.make_interval(days => coalesce((p_settings ->> 'retentionDays')::integer, 7));
begin
  -- Only finished keys: one that is in progress is the proof that a request must not be done again, however old.
  if p_items is null then
    select
      pg_catalog.array_agg(due.key order by due.finished_at, due.key),
      (
        pg_catalog.array_agg(
          pg_catalog.jsonb_build_object('finished_at', due.finished_at, 'key', due.key)
          order by due.finished_at desc, due.key desc
        )
      )[1],
      pg_catalog.count(*) < p_limit
    into v_result.items, v_result.next_cursor, v_result.done
    from (
      select k.key, k.finished_at
      from app.idempotency_keys as k
      where k.state <> 'in_progress'
        and k.finished_at <= v_until
        and (
          p_cursor is null
          or (k.finished_at, k.key) > ((p_cursor ->> 'finished_at')::timestamptz, p_cursor ->> 'key')
        )
      order by k.finished_at, k.key
      limit p_limit
    ) as due;
    return v_result;
  end if;

  with due as (
    select k.key
    from app.idempotency_keys as k
    where k.key = any (p_items)
      and k.state <> 'in_progress'
      and k.finished_at <= v_until
    order by k.key
    for update
  )
  delete from app.idempotency_keys where key in (select d.key from due as d);
  get diagnostics v_result.affected = row_count;
  return v_result;
end;
$$;

comment on function app.cleanup_idempotency_batch(timestamptz, bigint, jsonb, text[], jsonb) is
  'Deletes idempotency keys that have been finished for longer than the setting retentionDays says (7).';

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
