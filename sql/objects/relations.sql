-- Tables and views, and who may do what with them and with sequences. A part of the query that server.sql begins.

select
  case when o.relkind in ('v', 'm') then 'view ' else 'table ' end || o.name,
  null,
  pg_catalog.concat_ws(
    e'\n',
    'owner: ' || pg_catalog.pg_get_userbyid(o.relowner),
    'comment: ' || pg_catalog.obj_description(o.oid, 'pg_class'),
    case when o.relpersistence = 'u' then 'unlogged: empty after a crash' end,
    case when o.relrowsecurity then 'row security' || case when o.relforcerowsecurity then ', forced' else '' end end,
    case when o.relkind = 'v' then 'options: ' || pg_catalog.array_to_string(o.reloptions, ', ') end,
    case
      when o.relkind in ('v', 'm')
        then
          (
            select
              'columns: ' || pg_catalog.string_agg(
                pg_catalog.format('%I %s', a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod)), ', '
                order by a.attnum
              )
            from pg_catalog.pg_attribute as a
            where a.attrelid = o.oid
              and a.attnum > 0
          )
    end,
    case when o.relkind in ('v', 'm') then pg_catalog.pg_get_viewdef(o.oid) end
  ),
  case
    when o.relkind = 'v'
      then
        pg_catalog.concat_ws(
          '; ',
          pg_catalog.format(
            'create or replace view %s%s as %s',
            o.name,
            ' with (' || pg_catalog.array_to_string(o.reloptions, ', ') || ')',
            pg_catalog.rtrim(pg_catalog.pg_get_viewdef(o.oid), ';')
          ),
          pg_catalog.format('comment on view %s is %L', o.name, pg_catalog.obj_description(o.oid, 'pg_class')),
          m.statements
        )
    when o.relkind = 'r'
      then
        pg_catalog.format(
          'comment on table %1$s is %2$L; alter table %1$s %3$s row level security; alter table %1$s set %4$s',
          o.name,
          pg_catalog.obj_description(o.oid, 'pg_class'),
          case when o.relrowsecurity then 'enable' else 'disable' end,
          case when o.relpersistence = 'u' then 'unlogged' else 'logged' end
        )
  end,
  case when o.relkind = 'v' then pg_catalog.format('drop view %s', o.name) end
from ours as o
left join remarks as m on m.oid = o.oid
union all
select
  'rights on table ' || o.name,
  null,
  pg_catalog.concat_ws(
    e'\n',
    'grants: ' || g.text,
    (
      select pg_catalog.string_agg(
        pg_catalog.format('grants on %s: %s to %s', a.attname, i.privilege_type, pg_catalog.pg_get_userbyid(i.grantee)),
        e'\n'
        order by a.attnum, i.privilege_type collate "C", pg_catalog.pg_get_userbyid(i.grantee) collate "C"
      )
      from pg_catalog.pg_attribute as a
      cross join lateral pg_catalog.aclexplode(a.attacl) as i
      where a.attrelid = o.oid
    )
  ),
  null,
  null
from ours as o
left join grants as g on g.catalog = 'pg_class' and g.object_id = o.oid
union all
-- Sequences of the identity columns of ours.
select 'rights on sequence ' || q.oid::regclass, 'table ' || o.name, 'grants: ' || g.text, null, null
from ours as o
join pg_catalog.pg_depend as d
  on d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = o.oid and d.deptype in ('a', 'i')
join pg_catalog.pg_class as q on d.classid = 'pg_catalog.pg_class'::regclass and q.oid = d.objid and q.relkind = 'S'
join grants as g on g.catalog = 'pg_class' and g.object_id = q.oid;
