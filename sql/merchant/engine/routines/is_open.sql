create or replace function app.is_open(p_job_id bigint, p_due timestamptz) returns boolean
language plpgsql stable
set search_path = ''
as $$
declare
  v_now constant timestamptz := pg_catalog.clock_timestamp();
  v_failures bigint;
  v_from timestamptz;
begin
  -- What began later than now was before the clock was set back, and says nothing of this due time.
  perform
  from app.job_runs as r
  where r.job_id = p_job_id
    and r.status = 'succeeded'
    and not r.more
    and r.started_at >= p_due
    and r.started_at <= v_now;
  if found then
    return false;
  end if;
  -- When a session was gone nobody knows, only when that was found: by catch-up a quarter of an hour later, which would
  -- then have to come again. So an abandoned run counts from its beginning.
  select pg_catalog.count(*), pg_catalog.max(case r.status when 'failed' then r.finished_at else r.started_at end)
  into v_failures, v_from
  from app.job_runs as r
  where r.job_id = p_job_id
    and r.status in ('failed', 'abandoned')
    and r.started_at >= p_due
    -- An attempt that could not claim began and ended at once (app.fail_claim): no run was tried.
    and r.finished_at > r.started_at
    and r.finished_at <= v_now;
  -- 2 minutes after one failure, 4 after two, and from the sixth on an hour: 2 ^ n itself would overflow.
  return v_failures = 0
    or v_now >= v_from + pg_catalog.make_interval(mins => least(60, 2 ^ least(v_failures, 6))::integer);
end;
$$;

comment on function app.is_open(bigint, timestamptz) is
  'Whether a call for this due time has something to run: no complete success began since, and after n attempts since that '
  'failed or were abandoned, min(2^n, 60) minutes have passed from the last: since it failed, or since it began.';

revoke all on function app.is_open(bigint, timestamptz) from public;
