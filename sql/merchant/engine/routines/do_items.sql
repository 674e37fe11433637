create or replace function app.do_items(
  p_job app.jobs,
  p_run_id bigint,
  p_now timestamptz,
  p_items text[],
  p_one_by_one boolean,
  out affected bigint,
  out quarantined bigint
)
language plpgsql
set search_path = ''
as $$
declare
  v_item text;
  v_sqlstate text;
  v_message text;
begin
  affected := 0;
  quarantined := 0;
  if not p_one_by_one then
    -- Errors of the data alone: class 22, class 23, and P0001 of a RAISE. Any other is of the moment and fails the run.
    begin
      affected := coalesce((app.call_batch(p_job, p_now, null, p_items)).affected, 0);
      return;
    exception when data_exception or integrity_constraint_violation or raise_exception then
      null;
    end;
  end if;

  foreach v_item in array p_items loop
    begin
      affected := affected + coalesce((app.call_batch(p_job, p_now, null, array[v_item])).affected, 0);
      delete from app.job_quarantine where job_id = p_job.job_id and item = v_item;
    exception when data_exception or integrity_constraint_violation or raise_exception then
      get stacked diagnostics v_sqlstate = returned_sqlstate, v_message = message_text;
      insert into app.job_quarantine as q (job_id, item, error, error_sqlstate, last_run_id)
      values (p_job.job_id, v_item, pg_catalog.left(v_message, 8000), v_sqlstate, p_run_id)
      on conflict (job_id, item) do update
      set error = excluded.error,
        error_sqlstate = excluded.error_sqlstate,
        attempts = q.attempts + 1,
        last_attempt_at = excluded.last_attempt_at,
        last_run_id = excluded.last_run_id;
      quarantined := quarantined + 1;
    end;
  end loop;
end;
$$;

comment on function app.do_items(app.jobs, bigint, timestamptz, text[], boolean) is
  'Does items of a job in one call; when their data make that fail, or when told so, one by one, and puts those that '
  'fail into app.job_quarantine. Gives how many were done and how many failed.';

revoke all on function app.do_items(app.jobs, bigint, timestamptz, text[], boolean) from public;
