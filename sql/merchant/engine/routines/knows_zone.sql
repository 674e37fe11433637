create or replace function app.knows_zone(p_timezone text) returns boolean
language plpgsql stable strict
set search_path = ''
as $$
begin
  -- pg_timezone_names reads every file of the server's time zone data for each question.
  return pg_catalog.timezone(p_timezone, pg_catalog.now()) is not null;
exception when invalid_parameter_value then
  return false;
end;
$$;

comment on function app.knows_zone(text) is
  'Whether the server knows a time zone. It may lose one with its time zone data, long after a job was given it.';

revoke all on function app.knows_zone(text) from public;
