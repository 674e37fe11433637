create or replace function app.live_claim(p_job_id bigint) returns app.job_runs
language plpgsql security definer
set search_path = ''
as $$
declare
  v_claim app.job_runs;
begin
  select r.* into v_claim from app.job_runs as r where r.job_id = p_job_id and r.status = 'running';
  if not found then
    return null;
  end if;
  -- What pg_stat_activity showed is remembered until the transaction ends: a run that began since would look dead.
  perform pg_catalog.pg_stat_clear_snapshot();
  -- A cancelled session sits idle with the same query_start, so it must be active too. What we may not see counts as
  -- alive: a backend of another role (the owner of this function needs pg_read_all_stats), and one that reports nothing
  -- (track_activities off). A process of the server's own that got the pid later is in no database.
  perform
  from pg_catalog.pg_stat_activity as a
  where a.pid = v_claim.backend_pid
    and a.datname = pg_catalog.current_database()
    and (
      a.backend_type is null
      or a.state = 'disabled'
      or (a.state = 'active' and a.query_start = v_claim.statement_started_at)
    );
  if not found then
    return null;
  end if;
  return v_claim;
end;
$$;

comment on function app.live_claim(bigint) is
  'The running run of a job whose statement is still under way; null when there is none, or when its session has gone.';

revoke all on function app.live_claim(bigint) from public;
