-- What there is of ours in this database, one row an object, each described by one text: what differs from the text that
-- was recorded after the last apply (merchant_jobs.expected_objects) is drift. The texts are compared within one server
-- only, so they may hold what a major version prints in its own way. Lists are sorted, a default is null: order and
-- spelling make no false drift.

with grants as (
  select
    acl.catalog,
    acl.object_id,
    pg_catalog.string_agg(
      pg_catalog.format(
        '%s:%s%s',
        coalesce(pg_catalog.pg_get_userbyid(nullif(item.grantee, 0)), 'public'),
        item.privilege_type,
        case when item.is_grantable then '*' else '' end
      ),
      ' '
      order by
        coalesce(pg_catalog.pg_get_userbyid(nullif(item.grantee, 0)), 'public') collate "C",
        item.privilege_type collate "C"
    ) as text
  from (
    select 'pg_proc' as catalog, p.oid as object_id, coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner)) as items
    from pg_catalog.pg_proc as p
    join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
    where n.nspname in ('app', 'merchant_jobs')
    union all
    select 'pg_namespace', n.oid, coalesce(n.nspacl, pg_catalog.acldefault('n', n.nspowner))
    from pg_catalog.pg_namespace as n
    where n.nspname in ('app', 'merchant_jobs')
    union all
    select 'pg_database', d.oid, coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))
    from pg_catalog.pg_database as d
    where d.datname = pg_catalog.current_database()
    union all
    select 'pg_class', c.oid, coalesce(c.relacl, pg_catalog.acldefault('r', c.relowner))
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where n.nspname in ('app', 'merchant_jobs')
      and c.relkind in ('r', 'v')
  ) as acl
  cross join lateral pg_catalog.aclexplode(acl.items) as item
  group by acl.catalog, acl.object_id
)

select
  'routine ' || p.oid::regprocedure::text as object,
  pg_catalog.concat_ws(
    e'\n',
    case when p.prokind in ('f', 'p') then pg_catalog.pg_get_functiondef(p.oid) end,
    'owner: ' || pg_catalog.pg_get_userbyid(p.proowner),
    'grants: ' || g.text,
    'comment: ' || pg_catalog.obj_description(p.oid, 'pg_proc')
  ) as definition
from pg_catalog.pg_proc as p
join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
left join grants as g on g.catalog = 'pg_proc' and g.object_id = p.oid
where n.nspname in ('app', 'merchant_jobs')
  and p.prokind in ('f', 'p')
union all
select
  'schema ' || n.nspname,
  pg_catalog.concat_ws(e'\n', 'owner: ' || pg_catalog.pg_get_userbyid(n.nspowner), 'grants: ' || g.text)
from pg_catalog.pg_namespace as n
left join grants as g on g.catalog = 'pg_namespace' and g.object_id = n.oid
where n.nspname in ('app', 'merchant_jobs')
union all
select 'database', 'grants: ' || g.text
from grants as g
where g.catalog = 'pg_database'
union all
select
  'rights on table ' || c.oid::regclass::text,
  pg_catalog.concat_ws(
    e'\n',
    'owner: ' || pg_catalog.pg_get_userbyid(c.relowner),
    'grants: ' || g.text,
    (
      select pg_catalog.string_agg(
        pg_catalog.format('grants on %s: %s to %s', a.attname, i.privilege_type, pg_catalog.pg_get_userbyid(i.grantee)),
        e'\n'
        order by a.attnum, i.privilege_type collate "C", pg_catalog.pg_get_userbyid(i.grantee) collate "C"
      )
      from pg_catalog.pg_attribute as a
      cross join lateral pg_catalog.aclexplode(a.attacl) as i
      where a.attrelid = c.oid
    )
  )
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
left join grants as g on g.catalog = 'pg_class' and g.object_id = c.oid
where n.nspname in ('app', 'merchant_jobs')
  and c.relkind in ('r', 'v')
union all
select
  'view ' || c.oid::regclass::text,
  pg_catalog.concat_ws(e'\n', pg_catalog.pg_get_viewdef(c.oid), 'comment: ' || pg_catalog.obj_description(c.oid, 'pg_class'))
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where n.nspname in ('app', 'merchant_jobs')
  and c.relkind = 'v'
union all
select 'connection limit of role ' || r.rolname, r.rolconnlimit::text
from pg_catalog.pg_roles as r
where r.rolname in (pg_catalog.current_database() || '_app', pg_catalog.current_database() || '_job')
union all
select
  'settings of role ' || pg_catalog.pg_get_userbyid(s.setrole),
  (
    select pg_catalog.string_agg(item, e'\n' order by item collate "C")
    from pg_catalog.unnest(s.setconfig) as item
  )
from pg_catalog.pg_db_role_setting as s
where s.setdatabase = (select d.oid from pg_catalog.pg_database as d where d.datname = pg_catalog.current_database())
  and s.setrole in (
    select r.oid
    from pg_catalog.pg_roles as r
    where r.rolname in (pg_catalog.current_database() || '_app', pg_catalog.current_database() || '_job')
  )
order by 1;
