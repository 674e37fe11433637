create or replace function app.fail_run(p_run_id bigint, p_sqlstate text, p_error text) returns void
language plpgsql security definer
set search_path = ''
as $$
begin
  update app.job_runs
  set status = 'failed',
    finished_at = pg_catalog.clock_timestamp(),
    error = pg_catalog.left(p_error, 8000),
    error_sqlstate = p_sqlstate
  where run_id = p_run_id
    and status = 'running'
    and backend_pid = pg_catalog.pg_backend_pid()
    and statement_started_at = pg_catalog.statement_timestamp();
  if not found then
    raise exception 'run % is not a running run of this statement', p_run_id
      using errcode = 'MJ002', hint = 'Only the statement that began a run may fail it.';
  end if;
end;
$$;

comment on function app.fail_run(bigint, text, text) is
  'Records that the calling statement''s run failed; its committed batches stay.';

revoke all on function app.fail_run(bigint, text, text) from public;
