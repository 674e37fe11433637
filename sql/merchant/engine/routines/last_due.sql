create or replace function app.last_due(p_job text, p_now timestamptz) returns timestamptz
language plpgsql stable
set search_path = ''
as $$
begin
  return (select app.last_due_of(j.due_schedule, j.timezone, p_now) from app.jobs as j where j.name = p_job);
end;
$$;

comment on function app.last_due(text, timestamptz) is
  'The last time up to p_now that a job was due by its schedule; null for a job that has none, or is not there.';

revoke all on function app.last_due(text, timestamptz) from public;
