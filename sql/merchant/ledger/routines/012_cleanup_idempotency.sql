create or replace function app.cleanup_idempotency_batch(p_now timestamptz, p_limit bigint, p_cursor jsonb)
returns app.batch_result
language plpgsql security definer
set search_path = ''
set lock_timeout = '5s'
as $$
declare
  v_affected bigint;
begin
  -- Only finished keys: one that is in progress is the proof that a request must not be done again, however old.
  with due as (
    select k.key
    from app.idempotency_keys as k
    where k.state <> 'in_progress'
      and k.finished_at <= p_now - interval '7 days'
    order by k.finished_at, k.key
    limit p_limit
    for update skip locked
  )
  delete from app.idempotency_keys where key in (select d.key from due as d);
  get diagnostics v_affected = row_count;
  return (v_affected, p_cursor, v_affected < p_limit)::app.batch_result;
end;
$$;

comment on function app.cleanup_idempotency_batch(timestamptz, bigint, jsonb) is
  'Deletes idempotency keys that have been finished for seven days.';

revoke all on function app.cleanup_idempotency_batch(timestamptz, bigint, jsonb) from public;

create or replace procedure app.cleanup_idempotency()
language plpgsql
as $$
begin
  call app.run_job('idempotency_cleanup');
end;
$$;

comment on procedure app.cleanup_idempotency() is 'The job idempotency_cleanup.';

revoke all on procedure app.cleanup_idempotency() from public;
