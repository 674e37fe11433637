create or replace function app.call_batch(p_job app.jobs, p_now timestamptz, p_cursor jsonb, p_items text[])
returns app.batch_result
language plpgsql
set search_path = ''
as $$
declare
  v_result app.batch_result;
begin
  execute pg_catalog.format(
    'select * from %I.%I(p_now => $1, p_limit => $2, p_cursor => $3, p_items => $4, p_settings => $5)',
    pg_catalog.split_part(p_job.batch_function, '.', 1),
    pg_catalog.split_part(p_job.batch_function, '.', 2)
  )
  into v_result
  using p_now, p_job.batch_size, p_cursor, p_items, p_job.settings;
  if p_items is not null then
    -- A constraint that waits for COMMIT would fail where no handler can stand, and nobody would know for which item.
    set constraints all immediate;
  end if;
  return v_result;
end;
$$;

comment on function app.call_batch(app.jobs, timestamptz, jsonb, text[]) is
  'Calls a job''s batch function: without items, what is due after the cursor; with items, to do them.';

revoke all on function app.call_batch(app.jobs, timestamptz, jsonb, text[]) from public;
