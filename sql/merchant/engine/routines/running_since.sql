create or replace function app.running_since(p_job_id bigint) returns timestamptz
language plpgsql security definer
set search_path = ''
as $$
declare
  v_claim constant app.job_runs := app.live_claim(p_job_id);
begin
  return v_claim.started_at;
end;
$$;

comment on function app.running_since(bigint) is
  'When the run of a job began that is alive; null when there is none. Who may ask learns nothing else of it.';

revoke all on function app.running_since(bigint) from public;
