-- Functions and procedures. A part of the query that server.sql begins.

select
  'routine ' || p.oid::regprocedure::text,
  pg_catalog.format('routines named %I.%I', n.nspname, p.proname),
  pg_catalog.concat_ws(
    e'\n',
    case when p.prokind in ('f', 'p') then pg_catalog.pg_get_functiondef(p.oid) end,
    'owner: ' || pg_catalog.pg_get_userbyid(p.proowner),
    'grants: ' || g.text,
    'comment: ' || pg_catalog.obj_description(p.oid, 'pg_proc')
  ),
  pg_catalog.format(
    '%s; comment on routine %s is %L',
    pg_catalog.pg_get_functiondef(p.oid),
    p.oid::regprocedure,
    pg_catalog.obj_description(p.oid, 'pg_proc')
  ),
  pg_catalog.format('drop routine %s', p.oid::regprocedure)
from pg_catalog.pg_proc as p
join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
left join grants as g on g.catalog = 'pg_proc' and g.object_id = p.oid
where n.nspname in ('app', 'merchant_jobs')
  and p.prokind in ('f', 'p')
  and p.oid not in (select e.objid from of_extensions as e where e.classid = 'pg_catalog.pg_proc'::regclass);
