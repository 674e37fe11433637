-- Who starts a merchant's jobs. On a server that has no pg_cron, or that shall not use it, the runner does. Nothing of
-- this project writes it yet: a key of the stack file is to come.

alter table merchant_jobs.merchants add column scheduler text not null default 'pg_cron';

-- The table has a row a merchant, so that looking at all of them holds nobody up.
alter table merchant_jobs.merchants
  -- squawk-ignore constraint-missing-not-valid
  add constraint merchants_scheduler_known check (scheduler in ('pg_cron', 'runner'));

comment on column merchant_jobs.merchants.scheduler is 'Who starts its jobs when they are due: pg_cron, or the runner.';
