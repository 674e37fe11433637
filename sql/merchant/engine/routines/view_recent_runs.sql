create or replace view app.recent_runs as
select
  r.run_id,
  j.name as job,
  r.scheduler,
  r.status,
  r.due,
  r.started_at,
  r.finished_at,
  coalesce(r.finished_at, pg_catalog.clock_timestamp()) - r.started_at as duration,
  r.affected_rows,
  r.batches,
  r.quarantined,
  r.more,
  r.error,
  r.error_sqlstate
from app.job_runs as r
join app.jobs as j on j.job_id = r.job_id
where r.started_at > pg_catalog.clock_timestamp() - interval '7 days'
order by r.started_at desc, r.run_id desc;

comment on view app.recent_runs is 'The runs of the last seven days, the newest first.';
comment on column app.recent_runs.duration is 'Until it ended, or until now.';
