create or replace function app.scheduler_of_session() returns text
language sql stable
set search_path = ''
as $$
  select
    case
      -- pg_cron calls its workers "pg_cron worker" (StartJobTask in pg_cron.c).
      when (
        select a.backend_type like 'pg\_cron%'
        from pg_catalog.pg_stat_activity as a
        where a.pid = pg_catalog.pg_backend_pid()
      ) then 'pg_cron'
      when pg_catalog.current_setting('application_name') like 'merchant-jobs runner%' then 'runner'
      else 'manual'
    end;
$$;

comment on function app.scheduler_of_session() is 'Who called: pg_cron, runner or manual.';

revoke all on function app.scheduler_of_session() from public;
