-- It commits, so it can have neither SECURITY DEFINER nor a SET clause (2D000): every name is qualified instead, and
-- what needs the owner's rights is in the three functions that it calls. COMMIT cannot stand in a block with a handler
-- either, so that the handlers only keep what happened.
create or replace procedure app.run_once(
  p_job text,
  p_due timestamptz,
  inout p_sqlstate text,
  inout p_error text
)
language plpgsql
as $$
declare
  v_run_id bigint;
  v_over boolean;
  v_message text;
begin
  p_sqlstate := null;
  p_error := null;
  begin
    v_run_id := app.begin_run(p_job, p_due);
  exception when query_canceled or assert_failure or others then
    get stacked diagnostics p_sqlstate = returned_sqlstate, v_message = message_text;
    p_error := pg_catalog.format('job %s did not start: %s', p_job, v_message);
  end;
  -- Every attempt leaves a row; a call that the engine refuses (MJ001, MJ011) is none.
  if p_sqlstate not like 'MJ%' then
    begin
      call app.fail_claim(p_job, p_due, p_sqlstate, v_message);
    exception when query_canceled or assert_failure or others then
      -- What kept the claim, a full disk or a locked table, may keep the row too. The first error says more, but for a
      -- cancel, which means the caller's other jobs too.
      p_sqlstate := case when sqlstate = '57014' then sqlstate else p_sqlstate end;
    end;
  end if;
  commit;
  while v_run_id is not null loop
    begin
      v_over := app.run_batch(v_run_id);
    exception when query_canceled or assert_failure or others then
      get stacked diagnostics p_sqlstate = returned_sqlstate, v_message = message_text;
      p_error := pg_catalog.format('job %s failed in run %s: %s', p_job, v_run_id, v_message);
    end;
    if p_sqlstate is not null then
      begin
        perform app.fail_run(v_run_id, p_sqlstate, v_message);
      exception when sqlstate 'MJ002' then
        -- Somebody else ended the run, and its row says so; a caller with other jobs to run goes on.
        null;
      end;
    end if;
    commit;
    exit when v_over or p_sqlstate is not null;
  end loop;
end;
$$;

comment on procedure app.run_once(text, timestamptz, text, text) is
  'Runs one job: claim, batches with COMMIT between, and a row in app.job_runs that survives an error. Gives the error '
  'back instead of raising it, for a caller that goes on with other jobs; both are null when there was none.';

revoke all on procedure app.run_once(text, timestamptz, text, text) from public;
