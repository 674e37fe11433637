create or replace procedure app.run_job(p_job text, p_due timestamptz default null)
language plpgsql
as $$
declare
  v_sqlstate text;
  v_error text;
begin
  call app.run_once(p_job, p_due, v_sqlstate, v_error);
  if v_sqlstate is not null then
    raise exception '%', v_error using errcode = v_sqlstate;
  end if;
end;
$$;

comment on procedure app.run_job(text, timestamptz) is
  'Runs one job, for the due time p_due if that is still open, else at once. Raises MJ001 for an unknown job, else what '
  'the batch raised. Does nothing but leave a skipped row while another run of it is alive.';

revoke all on procedure app.run_job(text, timestamptz) from public;
