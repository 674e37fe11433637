create or replace function app.begin_run(p_job text, p_due timestamptz) returns bigint
language plpgsql security definer
set search_path = ''
set lock_timeout = '5s'
as $$
declare
  v_scheduler constant text := app.scheduler_of_session();
  v_job app.jobs;
  v_due timestamptz := p_due;
  v_claim app.job_runs;
  v_run_id bigint;
begin
  select j.* into v_job from app.jobs as j where j.name = p_job;
  if not found then
    raise exception 'there is no job %: app.jobs lists those of this database', pg_catalog.quote_literal(p_job)
      using errcode = 'MJ001';
  end if;
  if p_due > pg_catalog.clock_timestamp() then
    raise exception 'job % is not due yet: % is later than the server''s clock', p_job, p_due
      using errcode = 'MJ011';
  end if;
  -- A scheduler may hear of a pause, or of a new schedule, later than this row. A call by hand is never held back.
  if (v_scheduler <> 'manual' and (not v_job.enabled or p_due <= v_job.due_from))
    or (v_scheduler = 'runner' and p_due is not null and v_job.due_schedule is null)
  then
    return null;
  end if;
  -- A crontab may fire when nothing is due: in a time zone it does so at each offset that the zone has in a year. A runner
  -- may come for a due time of an older schedule, or of other time zone data; of a zone that is not known here it alone can
  -- say. A schedule of seconds has no due times, and a call by hand is never asked for one.
  if not v_job.due_schedule ? 'every' and (
    (v_scheduler = 'pg_cron' and p_due is null)
    or (v_scheduler = 'runner' and p_due is not null and app.knows_zone(v_job.timezone))
  ) then
    v_due := app.last_due(p_job, pg_catalog.clock_timestamp());
    if v_due is null or v_due <= v_job.due_from then
      return null;
    end if;
  end if;
  if v_due is not null and not app.is_open(v_job.job_id, v_due) then
    return null;
  end if;

  v_claim := app.live_claim(v_job.job_id);
  if v_claim.run_id is null then
    -- Class 7261 is ours; the lock ends with the transaction, so that no path leaves it behind. Each batch holds it too.
    -- Nobody is alive here, so this waits at most for one that is claiming, or committing its last batch, right now.
    perform pg_catalog.pg_advisory_xact_lock(7261, v_job.job_id::integer);
    v_claim := app.live_claim(v_job.job_id);
  end if;
  if v_claim.run_id is null then
    -- Before the due time is looked at again: an attempt whose session is gone spaces the calls as one that failed does.
    update app.job_runs
    set status = 'abandoned',
      finished_at = pg_catalog.clock_timestamp(),
      error = 'the session that ran it is gone'
    where job_id = v_job.job_id
      and status = 'running';
  else
    -- A run that began since the due time does what this call is for.
    if v_due is null or v_claim.started_at < v_due then
      insert into app.job_runs (job_id, scheduler, status, due, finished_at)
      values (v_job.job_id, v_scheduler, 'skipped', v_due, pg_catalog.clock_timestamp())
      on conflict (job_id, due) where status = 'skipped' do nothing;
    end if;
    return null;
  end if;
  -- Again: while this waited, somebody may have done it.
  if v_due is not null and not app.is_open(v_job.job_id, v_due) then
    return null;
  end if;

  insert into app.job_runs (job_id, scheduler, status, due)
  values (v_job.job_id, v_scheduler, 'running', v_due)
  returning run_id into v_run_id;
  return v_run_id;
end;
$$;

comment on function app.begin_run(text, timestamptz) is
  'Claims a run of a job for the calling statement and gives its run_id; null when there is nothing to run now. A '
  'runner''s call for a due time is for the job''s last one, whichever it names. Raises MJ001 for an unknown job, MJ011 for a due '
  'time in the future.';

revoke all on function app.begin_run(text, timestamptz) from public;
