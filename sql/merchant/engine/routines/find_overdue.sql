-- A procedure, and not a function, so that the job role's rights stay the procedures and the three functions of a run.
create or replace procedure app.find_overdue(inout p_jobs text[], inout p_dues timestamptz[])
language plpgsql security definer
set search_path = ''
as $$
begin
  select
    coalesce(pg_catalog.array_agg(o.name order by o.due, o.name), '{}'),
    coalesce(pg_catalog.array_agg(o.due order by o.due, o.name), '{}')
  into p_jobs, p_dues
  from (select j.name, app.overdue_since(j.name, pg_catalog.clock_timestamp()) as due from app.jobs as j) as o
  where o.due is not null;
end;
$$;

comment on procedure app.find_overdue(text[], timestamptz[]) is
  'Gives the jobs that are overdue, the longest overdue first, and the due time that each has missed.';

revoke all on procedure app.find_overdue(text[], timestamptz[]) from public;
