create or replace function app.attempt_run(
  p_job text,
  p_due timestamptz,
  out run_id bigint,
  out error_sqlstate text,
  out error text
)
language plpgsql security definer
set search_path = ''
as $$
declare
  v_message text;
begin
  begin
    run_id := app.begin_run(p_job, p_due);
  exception when query_canceled or assert_failure or others then
    get stacked diagnostics error_sqlstate = returned_sqlstate, v_message = message_text;
    error := pg_catalog.format('job %s did not start: %s', p_job, v_message);
  end;
  -- Every attempt leaves a row; a call that the engine refuses (MJ001, MJ011) is none.
  if error_sqlstate not like 'MJ%' then
    begin
      call app.fail_claim(p_job, p_due, error_sqlstate, v_message);
    exception when query_canceled or assert_failure or others then
      -- What kept the claim, a full disk or a locked table, may keep the row too. The first error says more, but for a
      -- cancel, which means the caller's other jobs too.
      error_sqlstate := case when sqlstate = '57014' then sqlstate else error_sqlstate end;
    end;
  end if;
end;
$$;

comment on function app.attempt_run(text, timestamptz) is
  'Begins a run (app.begin_run) for the calling statement, or records why it could not: the run_id, null when there is '
  'nothing to run now, or the error, which it does not raise.';

revoke all on function app.attempt_run(text, timestamptz) from public;
