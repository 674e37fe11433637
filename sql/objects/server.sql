-- What there is of ours in this database, one row an object, each described by one text: what differs from the text that
-- was recorded after the last apply (merchant_jobs.expected_objects) is drift. The texts are compared within one major
-- version only (object "server"), so they may hold what it prints in its own way. Lists are sorted, a default is null:
-- order and spelling make no false drift. Whoever changes what is described here, or how, raises the number of the form
-- in "server": databases that were recorded in the old form are then recorded anew, and show nothing that is not there.
--
-- parent: what it is a part of. A part that nobody expected is drift when other parts of the same parent are expected: a
-- column of a table of ours, an overload of a routine of ours. restore and remove: the statements that make it as it is,
-- and take it away; null where that would lose data, or where it is no object of its own.
--
-- The files of this folder are one query, a part for each kind of object: converge/objects.ts joins them by "union all",
-- this one first, whose names in "with" the others use. One query is one look at one moment, and one round trip.

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
    select
      'pg_class',
      c.oid,
      coalesce(c.relacl, pg_catalog.acldefault(case c.relkind when 'S' then 's' else 'r' end::"char", c.relowner))
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where n.nspname in ('app', 'merchant_jobs')
      and c.relkind in ('r', 'p', 'v', 'm', 'S')
  ) as acl
  cross join lateral pg_catalog.aclexplode(acl.items) as item
  group by acl.catalog, acl.object_id
),

-- What belongs to an extension is the extension's.
of_extensions as (
  select d.classid, d.objid
  from pg_catalog.pg_depend as d
  where d.refclassid = 'pg_catalog.pg_extension'::regclass
    and d.deptype = 'e'
),

ours as (
  select
    c.oid,
    c.relkind,
    c.relowner,
    c.relpersistence,
    c.reloptions,
    c.relrowsecurity,
    c.relforcerowsecurity,
    c.oid::regclass::text as name
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where n.nspname in ('app', 'merchant_jobs')
    and c.relkind in ('r', 'p', 'v', 'm')
    and c.oid not in (select e.objid from of_extensions as e where e.classid = 'pg_catalog.pg_class'::regclass)
    /* ONLY EXPECTED */
),

-- The statements that comment on a relation and its columns: what is made again has its comments again.
remarks as (
  select
    d.objoid as oid,
    pg_catalog.string_agg(
      case
        when d.objsubid = 0
          then
            pg_catalog.format(
              'comment on %s %s is %L', case o.relkind when 'v' then 'view' else 'table' end, o.name, d.description
            )
        else pg_catalog.format('comment on column %s.%I is %L', o.name, a.attname, d.description)
      end,
      '; '
      order by d.objsubid
    ) as statements
  from pg_catalog.pg_description as d
  join ours as o on o.oid = d.objoid
  left join pg_catalog.pg_attribute as a on a.attrelid = d.objoid and a.attnum = d.objsubid and d.objsubid > 0
  where d.classoid = 'pg_catalog.pg_class'::regclass
  group by d.objoid
)

select
  'server' as object,
  null as parent,
  'major version ' || pg_catalog.split_part(pg_catalog.current_setting('server_version'), '.', 1) || ', form 2' as definition,
  null as restore,
  null as remove;
