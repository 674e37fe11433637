-- Types. A part of the query that server.sql begins.

select
  'type ' || t.oid::regtype::text,
  null,
  pg_catalog.concat_ws(
    e'\n',
    (
      select pg_catalog.string_agg(
        pg_catalog.format('%I %s', a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod)), ', ' order by a.attnum
      )
      from pg_catalog.pg_attribute as a
      where a.attrelid = t.typrelid
        and not a.attisdropped
    ),
    'owner: ' || pg_catalog.pg_get_userbyid(t.typowner),
    'comment: ' || pg_catalog.obj_description(t.oid, 'pg_type')
  ),
  null,
  null
from pg_catalog.pg_type as t
join pg_catalog.pg_class as c on c.oid = t.typrelid
join pg_catalog.pg_namespace as n on n.oid = t.typnamespace
where n.nspname in ('app', 'merchant_jobs')
  and c.relkind = 'c'
union all
select
  'type ' || t.oid::regtype::text,
  null,
  pg_catalog.concat_ws(
    e'\n',
    (
      select 'values: ' || pg_catalog.string_agg(v.enumlabel, ', ' order by v.enumsortorder)
      from pg_catalog.pg_enum as v
      where v.enumtypid = t.oid
    ),
    case
      when t.typtype = 'd'
        then
          pg_catalog.concat_ws(
            ' ',
            pg_catalog.format_type(t.typbasetype, t.typtypmod),
            case when t.typnotnull then 'not null' end,
            'default ' || t.typdefault,
            (
              select pg_catalog.string_agg(pg_catalog.pg_get_constraintdef(k.oid), ' ' order by k.conname)
              from pg_catalog.pg_constraint as k
              where k.contypid = t.oid
            )
          )
    end,
    'owner: ' || pg_catalog.pg_get_userbyid(t.typowner),
    'comment: ' || pg_catalog.obj_description(t.oid, 'pg_type')
  ),
  null,
  null
from pg_catalog.pg_type as t
join pg_catalog.pg_namespace as n on n.oid = t.typnamespace
where n.nspname in ('app', 'merchant_jobs')
  and t.typtype in ('d', 'e')
  and t.oid not in (select e.objid from of_extensions as e where e.classid = 'pg_catalog.pg_type'::regclass);
