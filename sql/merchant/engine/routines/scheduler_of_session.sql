create or replace function app.scheduler_of_session() returns text
language plpgsql stable
set search_path = ''
as $$
begin
  -- pg_cron calls its workers "pg_cron worker" (StartJobTask in pg_cron.c). The function below the view pg_stat_activity
  -- looks at one process instead of all.
  perform
  from pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid()) as a
  where a.backend_type like 'pg\_cron%';
  return case
    when found then 'pg_cron'
    when pg_catalog.current_setting('application_name') like 'merchant-jobs runner%' then 'runner'
    else 'manual'
  end;
end;
$$;

comment on function app.scheduler_of_session() is 'Who called: pg_cron, runner or manual.';

revoke all on function app.scheduler_of_session() from public;
