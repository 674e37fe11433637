-- Of other roles' sessions and jobs the runner may see nothing, and needs two facts: so it asks a function with the
-- administrator's rights. On a server without pg_cron there is no launcher and no schema cron.
create or replace function merchant_jobs.cell_health(out launcher boolean, out last_started_at timestamptz)
language plpgsql stable security definer
set search_path = ''
as $$
begin
  launcher := exists (
    select
    from pg_catalog.pg_stat_activity as a
    -- Any client may take that name.
    where a.application_name = 'pg_cron scheduler' and a.backend_type is distinct from 'client backend'
  );
  if pg_catalog.to_regclass('cron.job_run_details') is not null then
    select pg_catalog.max(d.start_time)
    into last_started_at
    from (select r.start_time from cron.job_run_details as r order by r.runid desc limit 100) as d;
  end if;
end;
$$;

comment on function merchant_jobs.cell_health() is
  'Whether pg_cron''s launcher runs, and when the newest of its last 100 runs started.';

revoke all on function merchant_jobs.cell_health() from public;
