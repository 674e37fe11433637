-- What there is of ours in this database, one row an object, each described by one text: what differs from the text that
-- was recorded after the last apply (merchant_jobs.expected_objects) is drift. The texts are compared within one major
-- version only (object "server"), so they may hold what it prints in its own way. Lists are sorted, a default is null:
-- order and spelling make no false drift. Whoever changes what is described here, or how, raises the number of the form
-- in "server": databases that were recorded in the old form are then recorded anew, and show nothing that is not there.
--
-- parent: what it is a part of. A part that nobody expected is drift when other parts of the same parent are expected: a
-- column of a table of ours, an overload of a routine of ours. restore and remove: the statements that make it as it is,
-- and take it away; null where that would lose data, or where it is no object of its own.

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
  null as remove
union all
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
  and p.oid not in (select e.objid from of_extensions as e where e.classid = 'pg_catalog.pg_proc'::regclass)
union all
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
from pg_catalog.pg_extension as e
union all
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
join grants as g on g.catalog = 'pg_class' and g.object_id = q.oid
union all
select
  pg_catalog.format('column %s.%I', o.name, a.attname),
  'table ' || o.name,
  pg_catalog.concat_ws(
    ' ',
    pg_catalog.format_type(a.atttypid, a.atttypmod),
    case when a.attcollation <> t.typcollation then 'collate ' || a.attcollation::regcollation::text end,
    case a.attidentity when 'a' then 'generated always as identity' when 'd' then 'generated by default as identity' end,
    case when a.attgenerated <> '' then 'generated always as ' || pg_catalog.pg_get_expr(d.adbin, d.adrelid) end
  ),
  null,
  null
from ours as o
join pg_catalog.pg_attribute as a on a.attrelid = o.oid
join pg_catalog.pg_type as t on t.oid = a.atttypid
left join pg_catalog.pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
where o.relkind in ('r', 'p')
  and a.attnum > 0
  and not a.attisdropped
union all
select
  pg_catalog.format('default of column %s.%I', o.name, a.attname),
  'table ' || o.name,
  pg_catalog.pg_get_expr(d.adbin, d.adrelid),
  pg_catalog.format(
    'alter table %s alter column %I set default %s', o.name, a.attname, pg_catalog.pg_get_expr(d.adbin, d.adrelid)
  ),
  pg_catalog.format('alter table %s alter column %I drop default', o.name, a.attname)
from ours as o
join pg_catalog.pg_attribute as a on a.attrelid = o.oid
join pg_catalog.pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
where o.relkind in ('r', 'p')
  and a.attgenerated = ''
union all
select
  pg_catalog.format('not null of column %s.%I', o.name, a.attname),
  'table ' || o.name,
  'not null',
  pg_catalog.format('alter table %s alter column %I set not null', o.name, a.attname),
  pg_catalog.format('alter table %s alter column %I drop not null', o.name, a.attname)
from ours as o
join pg_catalog.pg_attribute as a on a.attrelid = o.oid
where o.relkind in ('r', 'p')
  and a.attnum > 0
  and not a.attisdropped
  and a.attnotnull
union all
select
  pg_catalog.format('comment on column %s.%I', o.name, a.attname),
  'table ' || o.name,
  pg_catalog.col_description(o.oid, a.attnum),
  pg_catalog.format('comment on column %s.%I is %L', o.name, a.attname, pg_catalog.col_description(o.oid, a.attnum)),
  pg_catalog.format('comment on column %s.%I is null', o.name, a.attname)
from ours as o
join pg_catalog.pg_attribute as a on a.attrelid = o.oid
where a.attnum > 0
  and not a.attisdropped
  and pg_catalog.col_description(o.oid, a.attnum) is not null
union all
-- A constraint of NOT NULL (from PostgreSQL 18 on) is its column's.
select
  pg_catalog.format('constraint %I on %s', k.conname, o.name),
  'table ' || o.name,
  pg_catalog.concat_ws(
    e'\n',
    pg_catalog.pg_get_constraintdef(k.oid),
    case
      when
        exists (select from pg_catalog.pg_trigger as g where g.tgconstraint = k.oid and g.tgenabled <> 'O')
        then 'not enforced: its triggers are disabled'
    end
  ),
  pg_catalog.format('alter table %s add constraint %I %s', o.name, k.conname, pg_catalog.pg_get_constraintdef(k.oid)),
  pg_catalog.format('alter table %s drop constraint %I', o.name, k.conname)
from ours as o
join pg_catalog.pg_constraint as k on k.conrelid = o.oid
where k.contype not in ('n', 't')
union all
select
  'index ' || i.indexrelid::regclass::text,
  'table ' || o.name,
  pg_catalog.concat_ws(
    e'\n',
    pg_catalog.pg_get_indexdef(i.indexrelid),
    case when not i.indisvalid then 'not valid' end,
    'comment: ' || pg_catalog.obj_description(i.indexrelid, 'pg_class')
  ),
  pg_catalog.concat_ws(
    '; ',
    pg_catalog.pg_get_indexdef(i.indexrelid),
    pg_catalog.format(
      'comment on index %s is %L', i.indexrelid::regclass, pg_catalog.obj_description(i.indexrelid, 'pg_class')
    )
  ),
  pg_catalog.format('drop index %s', i.indexrelid::regclass)
from ours as o
join pg_catalog.pg_index as i on i.indrelid = o.oid
where not exists (
  select from pg_catalog.pg_constraint as k where k.conindid = i.indexrelid and k.contype in ('p', 'u', 'x')
)
union all
select
  pg_catalog.format('trigger %I on %s', g.tgname, o.name),
  'table ' || o.name,
  pg_catalog.concat_ws(
    e'\n',
    pg_catalog.pg_get_triggerdef(g.oid),
    case g.tgenabled when 'O' then null when 'D' then 'disabled' when 'R' then 'for replicas only' else 'always' end
  ),
  pg_catalog.pg_get_triggerdef(g.oid),
  pg_catalog.format('drop trigger %I on %s', g.tgname, o.name)
from ours as o
join pg_catalog.pg_trigger as g on g.tgrelid = o.oid
where not g.tgisinternal
union all
select
  pg_catalog.format('rule %I on %s', r.rulename, o.name),
  'table ' || o.name,
  pg_catalog.concat_ws(e'\n', pg_catalog.pg_get_ruledef(r.oid), case when r.ev_enabled = 'D' then 'disabled' end),
  pg_catalog.pg_get_ruledef(r.oid),
  pg_catalog.format('drop rule %I on %s', r.rulename, o.name)
from ours as o
join pg_catalog.pg_rewrite as r on r.ev_class = o.oid
-- A view is a rule.
where r.rulename <> '_RETURN'
union all
select
  pg_catalog.format('policy %I on %s', p.polname, o.name),
  'table ' || o.name,
  pg_catalog.concat_ws(
    ' ',
    case when p.polpermissive then 'permissive' else 'restrictive' end,
    p.polcmd,
    (
      select pg_catalog.string_agg(coalesce(pg_catalog.pg_get_userbyid(nullif(r.oid, 0)), 'public'), ',' order by r.oid)
      from pg_catalog.unnest(p.polroles) as r (oid)
    ),
    'using ' || pg_catalog.pg_get_expr(p.polqual, p.polrelid),
    'with check ' || pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)
  ),
  pg_catalog.concat_ws(
    ' ',
    pg_catalog.format('create policy %I on %s', p.polname, o.name),
    case when p.polpermissive then 'as permissive' else 'as restrictive' end,
    case p.polcmd
      when 'r' then 'for select' when 'a' then 'for insert' when 'w' then 'for update' when 'd' then 'for delete'
      else 'for all'
    end,
    (
      select
        'to ' || pg_catalog.string_agg(
          case when r.oid = 0 then 'public' else pg_catalog.format('%I', pg_catalog.pg_get_userbyid(r.oid)) end,
          ', '
          order by r.oid
        )
      from pg_catalog.unnest(p.polroles) as r (oid)
    ),
    'using (' || pg_catalog.pg_get_expr(p.polqual, p.polrelid) || ')',
    'with check (' || pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) || ')'
  ),
  pg_catalog.format('drop policy %I on %s', p.polname, o.name)
from ours as o
join pg_catalog.pg_policy as p on p.polrelid = o.oid
union all
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
  and t.oid not in (select e.objid from of_extensions as e where e.classid = 'pg_catalog.pg_type'::regclass)
union all
-- A routine's file is applied again when its row is not as it shall be; a migration's cannot be.
select
  'applied file ' || f.file,
  'applied migrations',
  f.sha256,
  pg_catalog.format(
    'insert into merchant_jobs.applied_files (file, kind, sha256) values (%L, ''migration'', %L) '
    'on conflict (file) do update set kind = excluded.kind, sha256 = excluded.sha256',
    f.file,
    f.sha256
  ),
  pg_catalog.format('delete from merchant_jobs.applied_files where file = %L', f.file)
from merchant_jobs.applied_files as f
where f.kind = 'migration'
union all
-- The application's role has none.
select 'connection limit of role ' || r.rolname, 'connection limits', r.rolconnlimit::text, null, null
from pg_catalog.pg_roles as r
where r.rolname = pg_catalog.current_database() || '_job'
or (r.rolname = pg_catalog.current_database() || '_app' and r.rolconnlimit <> -1)
union all
-- Of the roles here, of the roles everywhere, of the database for everybody.
select
  case
    when s.setrole = 0 then 'settings of the database'
    when s.setdatabase = 0 then 'settings everywhere of role ' || pg_catalog.pg_get_userbyid(s.setrole)
    else 'settings of role ' || pg_catalog.pg_get_userbyid(s.setrole)
  end,
  'settings',
  (
    select pg_catalog.string_agg(item, e'\n' order by item collate "C")
    from pg_catalog.unnest(s.setconfig) as item
  ),
  null,
  case
    when s.setrole = 0 then pg_catalog.format('alter database %I reset all', pg_catalog.current_database())
    when s.setdatabase = 0 then pg_catalog.format('alter role %I reset all', pg_catalog.pg_get_userbyid(s.setrole))
    else
      pg_catalog.format(
        'alter role %I in database %I reset all', pg_catalog.pg_get_userbyid(s.setrole), pg_catalog.current_database()
      )
  end
from pg_catalog.pg_db_role_setting as s
where (
  s.setdatabase = (select d.oid from pg_catalog.pg_database as d where d.datname = pg_catalog.current_database())
  and s.setrole = 0
)
or (
  s.setdatabase in (
    select d.oid
    from pg_catalog.pg_database as d
    where d.datname = pg_catalog.current_database()
    union all
    select 0
  )
  and s.setrole in (
    select r.oid
    from pg_catalog.pg_roles as r
    where r.rolname in (
      pg_catalog.current_database() || '_owner',
      pg_catalog.current_database() || '_app',
      pg_catalog.current_database() || '_job'
    )
  )
)
order by 1;
