-- What else belongs to a table. A part of the query that server.sql begins.

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
join pg_catalog.pg_policy as p on p.polrelid = o.oid;
