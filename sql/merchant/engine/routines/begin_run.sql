create or replace function app.begin_run(p_job text, p_due timestamptz) returns bigint
language plpgsql security definer
set search_path = ''
set lock_timeout = '5s'
as $$
declare
  v_job_id bigint;
  v_claim app.job_runs;
  v_run_id bigint;
begin
  select j.job_id into v_job_id from app.jobs as j where j.name = p_job;
  if v_job_id is null then
    raise exception 'there is no job %', pg_catalog.quote_literal(p_job)
      using errcode = 'MJ001', hint = 'app.jobs lists the jobs of this database; pulumi up writes it.';
  end if;

  v_claim := app.live_claim(v_job_id);
  if v_claim.run_id is null then
    -- Class 7261 is ours; the lock ends with the transaction, so that no path leaves it behind. Each batch holds it too.
    -- Nobody is alive here, so this waits at most for one that is claiming, or committing its last batch, right now.
    perform pg_catalog.pg_advisory_xact_lock(7261, v_job_id::integer);
    v_claim := app.live_claim(v_job_id);
  end if;
  if v_claim.run_id is not null then
    insert into app.job_runs (job_id, scheduler, status, due, finished_at)
    values (v_job_id, app.scheduler_of_session(), 'skipped', p_due, pg_catalog.clock_timestamp())
    on conflict (job_id, due) where status = 'skipped' do nothing;
    return null;
  end if;

  update app.job_runs
  set status = 'abandoned',
    finished_at = pg_catalog.clock_timestamp(),
    error = 'the session that ran it is gone'
  where job_id = v_job_id
    and status = 'running';
  insert into app.job_runs (job_id, scheduler, status, due)
  values (v_job_id, app.scheduler_of_session(), 'running', p_due)
  returning run_id into v_run_id;
  return v_run_id;
end;
$$;

comment on function app.begin_run(text, timestamptz) is
  'Claims a run of a job for the calling statement and gives its run_id; null when there is nothing to run now.';

revoke all on function app.begin_run(text, timestamptz) from public;
