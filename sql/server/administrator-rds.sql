-- The administrator of an instance on Amazon RDS, and pg_cron. The stack runs this in the cron database as the master user,
-- and anybody may run it so, on an instance that exists:
--
--   psql --dbname cron --single-transaction --command "set merchant_jobs.admin = 'merchant_admin'" \
--     --file sql/server/administrator-rds.sql
--
-- It can be run again at any time. The master user is a member of rds_superuser, and no superuser: what
-- administrator.sql takes from PostgreSQL's own rights comes here by that role.

create extension if not exists pg_cron;

do $$
declare
  v_admin constant text := coalesce(nullif(current_setting('merchant_jobs.admin', true), ''), 'merchant_admin');
begin
  if not exists (select from pg_catalog.pg_roles where rolname = v_admin) then
    execute format('create role %I', v_admin);
  end if;
  execute format('alter role %I with login createdb createrole', v_admin);
  -- Of rds_superuser: it sees and ends every role's jobs, which row security hides from others.
  execute format('grant rds_superuser to %I', v_admin);
  -- It logs in by IAM, and by no password.
  execute format('grant rds_iam to %I', v_admin);
  perform set_config('merchant_jobs.admin', v_admin, false);
end
$$;

-- Who may come into the cron database: no merchant's role, whose jobs run in its own.
do $$
declare
  v_admin constant text := current_setting('merchant_jobs.admin');
begin
  execute format('revoke connect, temporary on database %I from public', current_database());
  execute format('grant connect, create, temporary on database %I to %I', current_database(), v_admin);
end
$$;

-- The runner, which lists the merchants here and calls their jobs in their own databases.
do $$
begin
  if not exists (select from pg_catalog.pg_roles where rolname = 'merchant_jobs_runner') then
    create role merchant_jobs_runner;
  end if;
  alter role merchant_jobs_runner with login nocreatedb nocreaterole;
  grant rds_iam to merchant_jobs_runner;
  execute format('grant connect on database %I to merchant_jobs_runner', current_database());
end
$$;

-- Who may schedule: the administrator, and for the length of one transaction a job role that it lends this to.
revoke usage on schema cron from public;
revoke execute on all functions in schema cron from public;

do $$
declare
  v_admin constant text := current_setting('merchant_jobs.admin');
  v_function regprocedure;
begin
  execute format('grant usage on schema cron to %I with grant option', v_admin);
  for v_function in
    select oid::regprocedure
    from pg_catalog.pg_proc
    where pronamespace = 'cron'::regnamespace
      and proname in ('schedule', 'schedule_in_database', 'alter_job', 'unschedule')
  loop
    execute format('grant execute on function %s to %I with grant option', v_function, v_admin);
  end loop;
  execute format('grant select, delete on cron.job to %I', v_admin);
  execute format('grant select, delete on cron.job_run_details to %I', v_admin);
  -- Admin option: the functions that look at sessions belong to the merchants' owner roles, which get it from here.
  execute format('grant pg_read_all_stats to %I with admin option', v_admin);
  execute format('grant pg_read_all_settings to %I', v_admin);
  execute format('grant pg_signal_backend to %I', v_admin);
end
$$;
