-- What pg_cron has of each merchant, for the page of a merchant. The runner may not look at cron.job, where a job that
-- somebody scheduled by hand may hold anything: of such a one it hears the name alone.
create or replace function merchant_jobs.crontab()
returns table (merchant text, job text, schedule text, command text, active boolean)
language plpgsql stable security definer
set search_path = ''
as $$
begin
  -- As in cell_health().
  if not exists (
    select
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where n.nspname = 'cron'
      and c.relname = 'job'
      and pg_catalog.has_schema_privilege(n.oid, 'usage')
      and pg_catalog.has_table_privilege(c.oid, 'select')
  ) then
    return;
  end if;
  return query
  select
    m.merchant,
    coalesce(j.jobname::text, '#' || j.jobid),
    j.schedule,
    case when j.command ~ '^CALL app\.[a-z_]+\(\)$' then j.command end,
    j.active
  from cron.job as j
  join merchant_jobs.merchants as m on m.database_name = j.database
  order by m.merchant, j.jobname, j.jobid;
end;
$$;

comment on function merchant_jobs.crontab() is
  'The jobs that pg_cron has in the databases of merchants; the command is null for one that is not of our form.';

revoke all on function merchant_jobs.crontab() from public;
