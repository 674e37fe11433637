create or replace function app.overdue_since(p_job text, p_now timestamptz) returns timestamptz
language plpgsql stable
set search_path = ''
as $$
declare
  v_job app.jobs;
  v_due timestamptz;
begin
  select j.* into v_job from app.jobs as j where j.name = p_job and j.enabled and j.due_schedule is not null;
  -- Of a zone that the server does not know nobody can say when it was due; app.job_health says that. To raise here would
  -- stop the merchant's other jobs too.
  if not found or not app.knows_zone(v_job.timezone) then
    return null;
  end if;
  -- The scheduler has five minutes to start it.
  v_due := app.last_due(p_job, p_now - interval '5 minutes');
  if v_due > v_job.due_from and not exists (
    select
    from app.job_runs as r
    where r.job_id = v_job.job_id
      and r.status = 'succeeded'
      and not r.more
      and r.started_at >= v_due
      -- What began later was before the clock was set back.
      and r.started_at <= p_now
  ) then
    return v_due;
  end if;
  return null;
end;
$$;

comment on function app.overdue_since(text, timestamptz) is
  'The due time that a job has missed: no complete success began at or after it. Null for a job that is not overdue, '
  'and for one whose time zone the server does not know.';

revoke all on function app.overdue_since(text, timestamptz) from public;
