-- The administrator that the stack connects as, on a server of your own or on the local one: what rds_superuser may do
-- on Amazon RDS, and no more. It is never a superuser.
--
-- Run this as a superuser in the cron database (the one that cron.database_name names), after
-- `create extension pg_cron`. A cell with scheduler: runner needs no pg_cron: make a database `cron` there, and write
-- `set merchant_jobs.scheduler = 'runner'` before this, in the same session. It can be run again at any time. Another name than platform_admin is set before it, in
-- the same session; a password after it, by which no file or log gets to know it:
--
--   psql --dbname cron --single-transaction --command "set merchant_jobs.admin = 'platform_admin'" \
--     --file sql/server/administrator.sql
--   psql --dbname cron --command '\password platform_admin'

do $$
declare
  v_admin constant text := coalesce(nullif(current_setting('merchant_jobs.admin', true), ''), 'platform_admin');
  v_for_runner constant boolean := coalesce(current_setting('merchant_jobs.scheduler', true), '') = 'runner';
begin
  -- A wrong database would get the rights meant for this one, and the cron database would stay open to everybody.
  if to_regclass('cron.job') is null and not (v_for_runner and current_database() = 'cron') then
    raise exception 'database "%" has no pg_cron', current_database()
      using errcode = 'object_not_in_prerequisite_state',
        hint = 'Run this in the database that cron.database_name names, after: create extension pg_cron. Where the '
          'runner starts the jobs, run it in a database cron, after: set merchant_jobs.scheduler = ''runner''';
  end if;
  if not exists (select from pg_catalog.pg_roles where rolname = v_admin) then
    execute format('create role %I', v_admin);
  end if;
  -- CREATEDB and CREATEROLE: it makes the merchants' databases and roles. NOSUPERUSER: so does the one on RDS, and
  -- what works with less works there. BYPASSRLS: row security on cron.job shows everybody only their own jobs, and
  -- the administrator compares the jobs of all merchants (on RDS rds_superuser sees them).
  execute format('alter role %I with login nosuperuser createdb createrole bypassrls noreplication', v_admin);
  perform set_config('merchant_jobs.admin', v_admin, false);
end
$$;

-- Who may come into the cron database.
do $$
declare
  v_admin constant text := current_setting('merchant_jobs.admin');
begin
  -- Every role may connect to every database by default. A merchant's job role has nothing to do here: its jobs run in
  -- its own database, started by pg_cron's launcher, and it must not look at or change its crontab.
  execute format('revoke connect, temporary on database %I from public', current_database());
  -- CREATE: the registry of merchants is a schema of the administrator's in this database.
  execute format('grant connect, create, temporary on database %I to %I', current_database(), v_admin);
end
$$;

-- The runner, which lists the merchants here and calls their jobs in their own databases; what it may do there is said in
-- each of them (sql/merchant/access.sql). It has no password until a person gives it one: \password merchant_jobs_runner
do $$
begin
  if not exists (select from pg_catalog.pg_roles where rolname = 'merchant_jobs_runner') then
    create role merchant_jobs_runner;
  end if;
  alter role merchant_jobs_runner with login nosuperuser nocreatedb nocreaterole nobypassrls noreplication;
  execute format('grant connect on database %I to merchant_jobs_runner', current_database());
end
$$;

-- Who may schedule, where there is pg_cron.
do $$
declare
  v_admin constant text := current_setting('merchant_jobs.admin');
  v_function regprocedure;
begin
  if to_regclass('cron.job') is null then
    return;
  end if;
  -- pg_cron lets everybody execute schedule() and unschedule(), which only the missing right on the schema holds back; two
  -- locks hold when one is opened for a moment.
  revoke usage on schema cron from public;
  revoke execute on all functions in schema cron from public;
  -- Grant option: a job belongs to the role that schedules it, so the administrator lends a job role these rights for
  -- the length of one transaction and schedules as that role. Scheduling *for* another role needs a superuser.
  execute format('grant usage on schema cron to %I with grant option', v_admin);
  -- By name, not by signature: the types of the arguments differ between the versions of pg_cron.
  for v_function in
    select oid::regprocedure
    from pg_catalog.pg_proc
    where pronamespace = 'cron'::regnamespace
      and proname in ('schedule', 'schedule_in_database', 'alter_job', 'unschedule')
  loop
    execute format('grant execute on function %s to %I with grant option', v_function, v_admin);
  end loop;
  -- SELECT: to compare every merchant's crontab. DELETE: unschedule() of another role's job asks for it, and a role
  -- that is dropped while it owns a job stops pg_cron for everybody.
  execute format('grant select, delete on cron.job to %I', v_admin);
  -- SELECT: to say why a job failed. DELETE: pg_cron never purges this table.
  execute format('grant select, delete on cron.job_run_details to %I', v_admin);
end
$$;

-- What it may know and end.
do $$
declare
  v_admin constant text := current_setting('merchant_jobs.admin');
begin
  -- Of other roles' sessions pg_stat_activity hides state and query_start, by which a live run is told from a dead one.
  -- Admin option: the functions that look belong to the merchants' owner roles, which get the membership from here.
  execute format('grant pg_read_all_stats to %I with admin option', v_admin);
  -- Settings of pg_cron are shown to superusers and to members of this: whether jobs run in background workers decides
  -- whether they run at all, since a job role has no password.
  execute format('grant pg_read_all_settings to %I', v_admin);
  -- A run that takes too long is cancelled, and sessions in a database that is dropped are ended.
  execute format('grant pg_signal_backend to %I', v_admin);
end
$$;
