-- The runner has one role on a server, which may read which merchants there are; access.sql of each merchant says what it
-- may do there. It has no password until a person gives it one, and may come into this database when
-- sql/server/administrator.sql has said so.
do $$
begin
  if not exists (select from pg_catalog.pg_roles where rolname = 'merchant_jobs_runner') then
    create role merchant_jobs_runner login;
  end if;
end
$$;

grant usage on schema merchant_jobs to merchant_jobs_runner;
grant select on merchant_jobs.merchants to merchant_jobs_runner;
grant execute on function merchant_jobs.cell_health(), merchant_jobs.crontab() to merchant_jobs_runner;
