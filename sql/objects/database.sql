-- Schemas, the database and its extensions. A part of the query that server.sql begins.

select
  'schema ' || n.nspname,
  null,
  pg_catalog.concat_ws(
    e'\n',
    'owner: ' || pg_catalog.pg_get_userbyid(n.nspowner),
    'grants: ' || g.text,
    'comment: ' || pg_catalog.obj_description(n.oid, 'pg_namespace')
  ),
  pg_catalog.format('comment on schema %I is %L', n.nspname, pg_catalog.obj_description(n.oid, 'pg_namespace')),
  null
from pg_catalog.pg_namespace as n
left join grants as g on g.catalog = 'pg_namespace' and g.object_id = n.oid
where n.nspname in ('app', 'merchant_jobs')
union all
select
  'database',
  null,
  pg_catalog.concat_ws(e'\n', 'grants: ' || g.text, case when d.datistemplate then 'is a template, which others may copy' end),
  pg_catalog.format('alter database %I is_template %s', d.datname, case when d.datistemplate then 'true' else 'false' end),
  null
from grants as g
join pg_catalog.pg_database as d on d.oid = g.object_id
where g.catalog = 'pg_database'
union all
select
  'extension ' || e.extname,
  null,
  'version ' || e.extversion,
  pg_catalog.format(
    'create extension if not exists %1$I with schema %2$s version %3$L; alter extension %1$I update to %3$L',
    e.extname,
    e.extnamespace::regnamespace,
    e.extversion
  ),
  null
from pg_catalog.pg_extension as e;
