-- It commits: see run_once.
create or replace procedure app.run_overdue()
language plpgsql
as $$
declare
  v_tried text[] := array[]::text[];
  v_job text;
  v_due timestamptz;
  v_sqlstate text;
  v_error text;
  v_errors text[] := array[]::text[];
begin
  loop
    -- Asked again after each: a job that moves money and became due meanwhile is next.
    call app.find_overdue(v_tried, v_job, v_due);
    exit when v_job is null;
    v_tried := v_tried || v_job;
    call app.run_once(v_job, v_due, v_sqlstate, v_error);
    if v_sqlstate is not null then
      v_errors := v_errors || v_error;
    end if;
    -- Who cancels means all of it.
    exit when v_sqlstate = '57014';
  end loop;
  if pg_catalog.cardinality(v_errors) > 0 then
    raise exception '% of % overdue jobs failed: %',
      pg_catalog.cardinality(v_errors), pg_catalog.cardinality(v_tried), pg_catalog.array_to_string(v_errors, '; ')
      using errcode = case when v_sqlstate = '57014' then v_sqlstate else 'MJ012' end;
  end if;
end;
$$;

comment on procedure app.run_overdue() is
  'The entry catch_up of the crontab: runs every overdue job once, those that move money first, also after one failed, and '
  'raises MJ012 once at the end.';

revoke all on procedure app.run_overdue() from public;
