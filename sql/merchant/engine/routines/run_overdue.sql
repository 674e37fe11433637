-- It commits: see run_once.
create or replace procedure app.run_overdue()
language plpgsql
as $$
declare
  v_jobs text[];
  v_dues timestamptz[];
  v_sqlstate text;
  v_error text;
  v_errors text[] := array[]::text[];
begin
  call app.find_overdue(v_jobs, v_dues);
  for v_at in 1 .. pg_catalog.cardinality(v_jobs) loop
    call app.run_once(v_jobs[v_at], v_dues[v_at], v_sqlstate, v_error);
    if v_sqlstate is not null then
      v_errors := v_errors || v_error;
    end if;
    -- Who cancels means all of it.
    exit when v_sqlstate = '57014';
  end loop;
  if pg_catalog.cardinality(v_errors) > 0 then
    raise exception '% of % overdue jobs failed: %',
      pg_catalog.cardinality(v_errors), pg_catalog.cardinality(v_jobs), pg_catalog.array_to_string(v_errors, '; ')
      using errcode = case when v_sqlstate = '57014' then v_sqlstate else 'MJ012' end;
  end if;
end;
$$;

comment on procedure app.run_overdue() is
  'The entry catch_up of the crontab: runs every overdue job, also after one failed, and raises MJ012 once at the end.';

revoke all on procedure app.run_overdue() from public;
