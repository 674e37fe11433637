-- A procedure, and not a function, so that the job role's rights stay the procedures and the three functions of a run.
create or replace procedure app.find_overdue(p_tried text[], inout p_job text, inout p_due timestamptz)
language plpgsql security definer
set search_path = ''
as $$
begin
  select o.name, o.due
  into p_job, p_due
  from (
    select j.name, j.moves_money, app.overdue_since(j.name, pg_catalog.clock_timestamp()) as due
    from app.jobs as j
    where j.name <> all (p_tried)
  ) as o
  where o.due is not null
  -- What somebody's money waits for goes before what only takes room.
  order by o.moves_money desc, o.due, o.name
  limit 1;
end;
$$;

comment on procedure app.find_overdue(text[], text, timestamptz) is
  'Gives the overdue job that is to be run next, of those that are not in p_tried, and the due time that it has missed: '
  'jobs that move money first, then the longest overdue. Null when there is none.';

revoke all on procedure app.find_overdue(text[], text, timestamptz) from public;
