create or replace function app.run_batch(p_run_id bigint) returns boolean
language plpgsql security definer
set search_path = ''
set lock_timeout = '5s'
as $$
declare
  v_run app.job_runs;
  v_job app.jobs;
  v_now timestamptz;
  v_page app.batch_result;
  v_items text[];
  v_affected bigint := 0;
  v_quarantined bigint := 0;
  v_over boolean;
  v_out_of_time boolean;
begin
  -- The lock first: while this waits for it, who took this session for dead may claim the job.
  perform pg_catalog.pg_advisory_xact_lock(7261, r.job_id::integer) from app.job_runs as r where r.run_id = p_run_id;
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
  select j.* into v_job from app.jobs as j where j.job_id = v_run.job_id;
  v_now := pg_catalog.clock_timestamp();

  if v_run.retrying then
    v_items := array(
      select q.item
      from app.job_quarantine as q
      where q.job_id = v_run.job_id
        and q.last_run_id <> p_run_id
      order by q.last_attempt_at, q.item
      limit v_job.batch_size
    );
  else
    v_page := app.call_batch(v_job, v_now, v_run.next_cursor, null);
    if v_page.done is not true and v_page.next_cursor is not distinct from v_run.next_cursor then
      raise exception '% is not done and gives the cursor that it was given: it would go on for ever', v_job.batch_function
        using errcode = 'MJ010', hint = 'Give the key of the last item as next_cursor, or done when nothing comes after.';
    end if;
    if pg_catalog.cardinality(v_page.items) > 0 then
      v_items := array(
        select i.item
        from pg_catalog.unnest(v_page.items) with ordinality as i (item, place)
        where not exists (
          select from app.job_quarantine as q where q.job_id = v_run.job_id and q.item = i.item
        )
        order by i.place
      );
    end if;
  end if;
  if pg_catalog.cardinality(v_items) > 0 then
    select d.affected, d.quarantined
    into v_affected, v_quarantined
    from app.do_items(v_job, p_run_id, v_now, v_items, v_run.retrying) as d;
  end if;

  v_over := (v_run.retrying or v_page.done)
    and not exists (
      select from app.job_quarantine as q where q.job_id = v_run.job_id and q.last_run_id <> p_run_id
    );
  v_out_of_time := not v_over
    and pg_catalog.clock_timestamp() >= v_run.started_at + pg_catalog.make_interval(secs => v_job.time_limit_seconds);
  update app.job_runs
  set affected_rows = affected_rows + v_affected,
    quarantined = quarantined + v_quarantined,
    batches = batches + 1,
    next_cursor = v_page.next_cursor,
    retrying = v_run.retrying or v_page.done,
    more = v_out_of_time,
    status = case when v_over or v_out_of_time then 'succeeded' else 'running' end,
    finished_at = case when v_over or v_out_of_time then pg_catalog.clock_timestamp() end
  where run_id = p_run_id
    and status = 'running';
  if not found then
    raise exception 'run % was ended by somebody else during its batch, which is undone', p_run_id using errcode = 'MJ002';
  end if;
  return v_over or v_out_of_time;
end;
$$;

comment on function app.run_batch(bigint) is
  'Does one batch of the calling statement''s run and records it in the same transaction; true when the run is over.';

revoke all on function app.run_batch(bigint) from public;
