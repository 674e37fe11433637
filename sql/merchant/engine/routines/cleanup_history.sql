create or replace function app.cleanup_history_batch(
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
  -- Hours: a day of 23 or 25 of them, where the session's time zone has one, changes nothing.
  v_until constant timestamptz :=
    p_now - pg_catalog.make_interval(hours => 24 * coalesce((p_settings ->> 'retentionDays')::integer, 90));
begin
  if p_items is null then
    select
      coalesce(pg_catalog.array_agg(due.run_id::text order by due.started_at, due.run_id), '{}'),
      (
        pg_catalog.array_agg(
          pg_catalog.jsonb_build_object('started_at', due.started_at, 'run_id', due.run_id)
          order by due.started_at desc, due.run_id desc
        )
      )[1],
      pg_catalog.count(*) < p_limit
    into v_result.items, v_result.next_cursor, v_result.done
    from (
      select r.run_id, r.started_at
      from app.job_runs as r
      where r.started_at < v_until
        and r.status <> 'running'
        and (
          p_cursor is null
          or (r.started_at, r.run_id)
            > ((p_cursor ->> 'started_at')::timestamptz, (p_cursor ->> 'run_id')::bigint)
        )
        -- The newest of each job stays, and the newest complete success, by which a job of once a year is not overdue.
        and exists (
          select
          from app.job_runs as n
          where n.job_id = r.job_id
            and (n.started_at, n.run_id) > (r.started_at, r.run_id)
        )
        and (
          r.status <> 'succeeded'
          or r.more
          or exists (
            select
            from app.job_runs as n
            where n.job_id = r.job_id
              and n.status = 'succeeded'
              and not n.more
              and (n.started_at, n.run_id) > (r.started_at, r.run_id)
          )
        )
      order by r.started_at, r.run_id
      limit p_limit
    ) as due;
    return v_result;
  end if;

  -- Nothing of what makes a finished run old ever changes.
  delete from app.job_runs where run_id = any (p_items::bigint[]) and started_at < v_until and status <> 'running';
  get diagnostics v_result.affected = row_count;
  return v_result;
end;
$$;

comment on function app.cleanup_history_batch(timestamptz, bigint, jsonb, text[], jsonb) is
  'Deletes runs older than the setting retentionDays says (90), keeping each job''s newest and newest complete success.';

revoke all on function app.cleanup_history_batch(timestamptz, bigint, jsonb, text[], jsonb) from public;

create or replace procedure app.cleanup_history()
language plpgsql
as $$
begin
  call app.run_job('history_cleanup');
end;
$$;

comment on procedure app.cleanup_history() is 'The job history_cleanup.';

revoke all on procedure app.cleanup_history() from public;
