-- pg_cron never purges cron.job_run_details (citusdata/pg_cron#408): one job of every minute leaves 525,600 rows a year.
-- The table has an index on runid only, so this goes through it by runid, which grows with time, and stops at the first
-- page that has something new. It commits, so it can have neither SECURITY DEFINER nor a SET clause (2D000).
create or replace procedure merchant_jobs.cleanup_run_details(p_keep_days bigint default 14)
language plpgsql
as $$
declare
  v_old timestamptz;
  -- All up to here was looked at; all up to there was deleted.
  v_seen bigint := -1;
  v_deleted bigint := -1;
  v_rows bigint;
  v_last bigint;
  v_last_old bigint;
  v_has_new boolean;
begin
  if p_keep_days is null or p_keep_days not between 1 and 3650 then
    raise exception 'cannot keep % days: write a whole number from 1 to 3650', p_keep_days using errcode = 'MJ040';
  end if;
  v_old := pg_catalog.clock_timestamp() - pg_catalog.make_interval(days => p_keep_days::integer);
  loop
    -- A run that never started has no times: it goes with those after it.
    select
      pg_catalog.count(*),
      pg_catalog.max(page.runid),
      pg_catalog.max(page.runid) filter (where coalesce(page.end_time, page.start_time) < v_old),
      coalesce(pg_catalog.bool_or(coalesce(page.end_time, page.start_time) >= v_old), false)
    into v_rows, v_last, v_last_old, v_has_new
    from (
      select d.runid, d.start_time, d.end_time
      from cron.job_run_details as d
      where d.runid > v_seen
      order by d.runid
      limit 5000
    ) as page;
    if v_last_old is not null then
      delete from cron.job_run_details where runid > v_deleted and runid <= v_last_old;
      v_deleted := v_last_old;
    end if;
    commit;
    exit when v_has_new or v_rows < 5000;
    v_seen := v_last;
  end loop;
end;
$$;

comment on procedure merchant_jobs.cleanup_run_details(bigint) is
  'Deletes what pg_cron wrote of runs that ended more than p_keep_days days ago (1 to 3650; else MJ040), page by '
  'page, each in its transaction. The merchants'' own record of their runs is app.job_runs in their databases.';

revoke all on procedure merchant_jobs.cleanup_run_details(bigint) from public;
