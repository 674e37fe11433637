create or replace function app.run_batch(p_run_id bigint) returns boolean
language plpgsql security definer
set search_path = ''
set lock_timeout = '5s'
as $$
declare
  v_run app.job_runs;
  v_job app.jobs;
  v_result app.batch_result;
  v_out_of_time boolean;
begin
  select r.* into v_run
  from app.job_runs as r
  where r.run_id = p_run_id
    and r.status = 'running'
    and r.backend_pid = pg_catalog.pg_backend_pid()
    and r.statement_started_at = pg_catalog.statement_timestamp();
  if not found then
    raise exception 'run % is not a running run of this statement', p_run_id
      using errcode = 'MJ002', hint = 'Only the statement that began a run may go on with it: CALL app.run_job(...).';
  end if;
  perform pg_catalog.pg_advisory_xact_lock(7261, v_run.job_id::integer);
  select j.* into v_job from app.jobs as j where j.job_id = v_run.job_id;

  execute pg_catalog.format(
    'select * from %I.%I(p_now => $1, p_limit => $2, p_cursor => $3)',
    pg_catalog.split_part(v_job.batch_function, '.', 1),
    pg_catalog.split_part(v_job.batch_function, '.', 2)
  )
  into v_result
  using pg_catalog.clock_timestamp(), v_job.batch_size, v_run.next_cursor;

  v_out_of_time := not v_result.done
    and pg_catalog.clock_timestamp() >= v_run.started_at + pg_catalog.make_interval(secs => v_job.time_limit_seconds);
  update app.job_runs
  set affected_rows = affected_rows + v_result.affected,
    batches = batches + 1,
    next_cursor = v_result.next_cursor,
    more = v_out_of_time,
    status = case when v_result.done or v_out_of_time then 'succeeded' else 'running' end,
    finished_at = case when v_result.done or v_out_of_time then pg_catalog.clock_timestamp() end
  where run_id = p_run_id;
  return v_result.done or v_out_of_time;
end;
$$;

comment on function app.run_batch(bigint) is
  'Does one batch of the calling statement''s run and records it in the same transaction; true when the run is over.';

revoke all on function app.run_batch(bigint) from public;
