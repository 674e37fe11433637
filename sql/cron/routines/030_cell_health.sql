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
  -- Where the runner starts the jobs, pg_cron may be there for somebody else, and closed to us.
  if exists (
    select
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where n.nspname = 'cron'
      and c.relname = 'job_run_details'
      and pg_catalog.has_schema_privilege(n.oid, 'usage')
      and pg_catalog.has_table_privilege(c.oid, 'select')
  ) then
    select pg_catalog.max(d.start_time)
    into last_started_at
    from (select r.start_time from cron.job_run_details as r order by r.runid desc limit 100) as d;
  end if;
end;
$$;

comment on function merchant_jobs.cell_health() is
  'Whether pg_cron''s launcher runs, and when the newest of its last 100 runs started.';

revoke all on function merchant_jobs.cell_health() from public;
