create or replace view app.job_health as
select
  j.name as job,
  j.enabled,
  j.schedule,
  j.timezone,
  success.started_at as last_success_at,
  last.status as last_status,
  pg_catalog.left(last.error, 500) as last_error,
  (
    select pg_catalog.count(*)
    from app.job_runs as r
    where r.job_id = j.job_id
      and r.status in ('failed', 'abandoned')
      and r.run_id > coalesce(ended_well.run_id, 0)
  ) as failures_in_row,
  app.running_since(j.job_id) as running_since,
  app.overdue_since(j.name, pg_catalog.clock_timestamp()) as overdue_since,
  coalesce(ended_well.more, false) as behind,
  (select pg_catalog.count(*) from app.job_quarantine as q where q.job_id = j.job_id) as quarantined,
  not app.knows_zone(j.timezone) as zone_unknown
from app.jobs as j
left join lateral (
  select r.started_at
  from app.job_runs as r
  where r.job_id = j.job_id
    and r.status = 'succeeded'
    and not r.more
    -- What began later than now was before the clock was set back.
    and r.started_at <= pg_catalog.clock_timestamp()
  order by r.started_at desc
  limit 1
) as success on true
left join lateral (
  select r.run_id, r.more
  from app.job_runs as r
  where r.job_id = j.job_id
    and r.status = 'succeeded'
    and r.started_at <= pg_catalog.clock_timestamp()
  order by r.started_at desc, r.run_id desc
  limit 1
) as ended_well on true
left join lateral (
  select r.status, r.error
  from app.job_runs as r
  where r.job_id = j.job_id
    and r.status <> 'skipped'
    and r.started_at <= pg_catalog.clock_timestamp()
  order by r.started_at desc, r.run_id desc
  limit 1
) as last on true;

comment on view app.job_health is 'One row a job: whether it does its work.';
comment on column app.job_health.last_success_at is
  'When the newest run began that succeeded and left nothing over: what a due time is compared with.';
comment on column app.job_health.last_status is 'Of the newest run that was not skipped.';
comment on column app.job_health.last_error is 'Its first 500 characters; app.recent_runs has the whole.';
comment on column app.job_health.failures_in_row is 'Runs that failed or were abandoned since the last that succeeded.';
comment on column app.job_health.running_since is 'When the run began that is under way now.';
comment on column app.job_health.overdue_since is 'The due time that was missed; null when none was, and when nobody can say.';
comment on column app.job_health.behind is 'The last run that succeeded was out of time and left work over.';
comment on column app.job_health.quarantined is 'Items in app.job_quarantine.';
comment on column app.job_health.zone_unknown is
  'The server does not know the time zone, so that nobody can say when the job is due.';
