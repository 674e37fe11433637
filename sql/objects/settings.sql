-- Applied migrations; limits and settings of the roles and of the database. A part of the query that server.sql begins.

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
);
