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
  select a.run_id, a.error_sqlstate, a.error
  into v_run_id, p_sqlstate, p_error
  from app.attempt_run(p_job, p_due) as a;
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
