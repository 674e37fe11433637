create or replace function app.begin_run(p_job text) returns bigint
language plpgsql security definer
set search_path = ''
as $$
declare
  v_job_id bigint;
  v_run_id bigint;
  v_claim app.job_runs;
  v_taken boolean;
begin
  select j.job_id into v_job_id from app.jobs as j where j.name = p_job;
  if v_job_id is null then
    raise exception 'there is no job %', pg_catalog.quote_literal(p_job)
      using errcode = 'MJ001', hint = 'app.jobs lists the jobs of this database; pulumi up writes it.';
  end if;

  -- Class 7261 is ours; the lock ends with the transaction, so that no path leaves it behind. Each batch holds it too:
  -- who has it is alive, and nobody waits for a batch only to learn that.
  v_taken := not pg_catalog.pg_try_advisory_xact_lock(7261, v_job_id::integer);
  if not v_taken then
    select r.* into v_claim from app.job_runs as r where r.job_id = v_job_id and r.status = 'running';
    -- A cancelled session sits idle with the same query_start, so it must be active too. A backend whose state we may
    -- not see counts as alive: the owner of this function needs pg_read_all_stats.
    v_taken := exists (
      select
      from pg_catalog.pg_stat_activity as a
      where a.pid = v_claim.backend_pid
        and (a.state is null or (a.state = 'active' and a.query_start = v_claim.statement_started_at))
    );
  end if;
  if v_taken then
    insert into app.job_runs (job_id, scheduler, status, finished_at)
    values (v_job_id, app.scheduler_of_session(), 'skipped', pg_catalog.clock_timestamp());
    return null;
  end if;
  update app.job_runs
  set status = 'abandoned',
    finished_at = pg_catalog.clock_timestamp(),
    error = 'the session that ran it is gone'
  where run_id = v_claim.run_id;

  insert into app.job_runs (job_id, scheduler, status)
  values (v_job_id, app.scheduler_of_session(), 'running')
  returning run_id into v_run_id;
  return v_run_id;
end;
$$;

comment on function app.begin_run(text) is
  'Claims a run of a job for the calling statement and gives its run_id; null when another run of it is alive.';

revoke all on function app.begin_run(text) from public;
