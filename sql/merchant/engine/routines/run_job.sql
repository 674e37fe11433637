-- It commits, so it can have neither SECURITY DEFINER nor a SET clause (2D000): every name is qualified instead, and
-- what needs the owner's rights is in the three functions that it calls.
create or replace procedure app.run_job(p_job text)
language plpgsql
as $$
declare
  v_run_id bigint;
  v_over boolean;
  v_sqlstate text;
  v_message text;
begin
  v_run_id := app.begin_run(p_job);
  commit;
  if v_run_id is null then
    return;
  end if;
  loop
    -- COMMIT cannot stand in a block with a handler, so the handler only keeps what happened.
    begin
      v_over := app.run_batch(v_run_id);
    exception when query_canceled or others then
      get stacked diagnostics v_sqlstate = returned_sqlstate, v_message = message_text;
    end;
    if v_sqlstate is not null then
      perform app.fail_run(v_run_id, v_sqlstate, v_message);
      commit;
      raise exception 'job % failed in run %: %', p_job, v_run_id, v_message using errcode = v_sqlstate;
    end if;
    commit;
    exit when v_over;
  end loop;
end;
$$;

comment on procedure app.run_job(text) is
  'Runs one job: claim, batches with COMMIT between, and a row in app.job_runs that survives an error. Raises MJ001 for an '
  'unknown job, else what the batch raised. Does nothing but leave a skipped row while another run of it is alive.';

revoke all on procedure app.run_job(text) from public;
