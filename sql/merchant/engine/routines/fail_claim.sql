-- Called by app.attempt_run alone: it would let a caller write any text.
create or replace procedure app.fail_claim(p_job text, p_due timestamptz, p_sqlstate text, p_error text)
language plpgsql security definer
set search_path = ''
set lock_timeout = '1s'
as $$
declare
  v_scheduler constant text := app.scheduler_of_session();
  v_now constant timestamptz := pg_catalog.clock_timestamp();
begin
  -- No claim is needed for what is over already: whatever holds the claim up does not hold this up.
  insert into app.job_runs (job_id, scheduler, status, due, started_at, finished_at, error, error_sqlstate)
  select
    j.job_id,
    v_scheduler,
    'failed',
    -- As app.begin_run takes it.
    case
      when not j.due_schedule ? 'every'
        and ((v_scheduler = 'pg_cron' and p_due is null) or (v_scheduler = 'runner' and p_due is not null))
        and app.knows_zone(j.timezone)
        then app.last_due_of(j.due_schedule, j.timezone, v_now)
      else p_due
    end,
    v_now,
    v_now,
    pg_catalog.left(p_error, 8000),
    p_sqlstate
  from app.jobs as j
  where j.name = p_job;
end;
$$;

comment on procedure app.fail_claim(text, timestamptz, text, text) is
  'Records an attempt that failed before it had a run, for example because somebody held the claim for longer than it '
  'waits (55P03), or because the server does not know the job''s time zone (22023).';

revoke all on procedure app.fail_claim(text, timestamptz, text, text) from public;
