-- Who may what in a merchant's database. Run by the administrator, a member of the owner role, after every change of a
-- routine or of this file, in one transaction with it. The names come as settings of that transaction
-- (set_config('merchant_jobs.owner_role', …, true) and so on), so that this file is plain SQL.

do $$
declare
  v_database text := pg_catalog.current_database();
  v_app text := pg_catalog.current_setting('merchant_jobs.app_role');
  v_job text := pg_catalog.current_setting('merchant_jobs.job_role');
  v_grant record;
  -- Converge sets it to what the jobs' time limits come to (converge/last-resort.ts), after this was run first.
  v_statement_timeout text := coalesce(
    (
      select pg_catalog.substring(e.definition, 'statement_timeout=([0-9a-z]+)')
      from merchant_jobs.expected_objects as e
      where e.object = pg_catalog.format('settings of role %s', v_job)
    ),
    '1h'
  );
begin
  -- From a clean slate: what somebody granted by hand goes. Only objects that our files made (those that were recorded
  -- after an earlier apply) are touched.
  for v_grant in
    select distinct
      pg_catalog.format('%s %s', case p.prokind when 'p' then 'procedure' else 'function' end, p.oid::regprocedure) as object,
      case when item.grantee = 0 then 'public' else pg_catalog.format('%I', pg_catalog.pg_get_userbyid(item.grantee)) end
        as grantee
    from merchant_jobs.expected_objects as e
    join pg_catalog.pg_proc as p
      -- The server's own, thousands, are left out before any name is made.
      on p.pronamespace <> 'pg_catalog'::regnamespace and 'routine ' || p.oid::regprocedure::text = e.object
    cross join lateral pg_catalog.aclexplode(p.proacl) as item
    where item.grantee <> p.proowner
    union all
    select distinct
      pg_catalog.format('table %s', c.oid::regclass),
      case when item.grantee = 0 then 'public' else pg_catalog.format('%I', pg_catalog.pg_get_userbyid(item.grantee)) end
    from merchant_jobs.expected_objects as e
    join pg_catalog.pg_class as c
      on c.relkind <> 'S' and c.relnamespace <> 'pg_catalog'::regnamespace
        and 'rights on table ' || c.oid::regclass::text = e.object
    left join pg_catalog.pg_attribute as a on a.attrelid = c.oid and a.attacl is not null
    cross join lateral (
      select table_item.grantee from pg_catalog.aclexplode(c.relacl) as table_item
      union
      select column_item.grantee from pg_catalog.aclexplode(a.attacl) as column_item
    ) as item
    where item.grantee <> c.relowner
    union all
    select distinct
      pg_catalog.format('sequence %s', c.oid::regclass),
      case when item.grantee = 0 then 'public' else pg_catalog.format('%I', pg_catalog.pg_get_userbyid(item.grantee)) end
    from merchant_jobs.expected_objects as e
    join pg_catalog.pg_class as c on c.relkind = 'S' and 'rights on sequence ' || c.oid::regclass::text = e.object
    cross join lateral pg_catalog.aclexplode(c.relacl) as item
    where item.grantee <> c.relowner
    union all
    select distinct
      pg_catalog.format('schema %I', n.nspname),
      case when item.grantee = 0 then 'public' else pg_catalog.format('%I', pg_catalog.pg_get_userbyid(item.grantee)) end
    from pg_catalog.pg_namespace as n
    cross join lateral pg_catalog.aclexplode(n.nspacl) as item
    where n.nspname in ('app', 'merchant_jobs')
      and item.grantee <> n.nspowner
    union all
    select distinct
      pg_catalog.format('database %I', d.datname),
      pg_catalog.format('%I', pg_catalog.pg_get_userbyid(item.grantee))
    from pg_catalog.pg_database as d
    cross join lateral pg_catalog.aclexplode(d.datacl) as item
    where d.datname = v_database
      and item.grantee not in (0, d.datdba)
  loop
    execute pg_catalog.format('revoke all on %s from %s cascade', v_grant.object, v_grant.grantee);
  end loop;
  execute pg_catalog.format('alter role %I in database %I reset all', v_app, v_database);
  execute pg_catalog.format('alter role %I in database %I reset all', v_job, v_database);

  -- PUBLIC may connect to every new database; here only this merchant's roles may.
  execute pg_catalog.format('revoke all on database %I from public', v_database);
  execute pg_catalog.format('grant connect, temporary on database %I to %I', v_database, v_app);
  execute pg_catalog.format('grant connect on database %I to %I', v_database, v_job);

  execute pg_catalog.format('alter role %I connection limit -1', v_app);
  -- pg_cron's workers do not log in, so the limit stops sessions of the job role and not its jobs.
  execute pg_catalog.format('alter role %I connection limit 0', v_job);
  -- A last resort: each job keeps its own limit between batches (app.jobs.time_limit_seconds), and a run that ends so has
  -- succeeded as far as it came.
  execute pg_catalog.format(
    'alter role %I in database %I set statement_timeout = %L', v_job, v_database, v_statement_timeout
  );
  execute pg_catalog.format('alter role %I in database %I set lock_timeout = ''30s''', v_job, v_database);

  execute pg_catalog.format('grant usage on schema app to %I, %I', v_app, v_job);
  execute pg_catalog.format(
    'grant select on app.jobs, app.job_runs, app.job_quarantine, app.job_health, app.recent_runs to %I', v_app
  );
  -- What the views ask, which they do with the rights of who looks at them.
  execute pg_catalog.format(
    'grant execute on function app.running_since(bigint), app.overdue_since(text, timestamptz), '
      || 'app.last_due(text, timestamptz), app.last_due_of(jsonb, text, timestamptz), app.knows_zone(text) to %I',
    v_app
  );

  -- A procedure that commits runs with its caller's rights: the job role may call the procedures, and the three
  -- functions that do the work with the owner's rights, each of which looks at who calls. No table, no batch function.
  -- app.fail_claim writes what it is given, and app.attempt_run alone calls it.
  execute pg_catalog.format('grant execute on all procedures in schema app to %I', v_job);
  execute pg_catalog.format(
    'revoke execute on procedure app.fail_claim(text, timestamptz, text, text) from %I', v_job
  );
  execute pg_catalog.format(
    'grant execute on function app.attempt_run(text, timestamptz), app.run_batch(bigint), app.fail_run(bigint, text, text) '
      || 'to %I',
    v_job
  );

  -- The runner, one role for all merchants of a server: it calls the engine as the job role does, and reads how the jobs
  -- are. No table of the ledger, no batch function, and no procedure but these.
  execute pg_catalog.format('grant connect on database %I to merchant_jobs_runner', v_database);
  grant usage on schema app to merchant_jobs_runner;
  grant select on app.jobs, app.job_health to merchant_jobs_runner;
  -- Neither the cursor, which is of the merchant's data, nor an error's whole text.
  grant select (run_id, job_id, status, started_at, finished_at, affected_rows, quarantined, more, backend_pid)
    on app.job_runs to merchant_jobs_runner;
  -- How many there are and since when, and neither which nor why: those are the merchant's data.
  grant select (job_id, since) on app.job_quarantine to merchant_jobs_runner;
  grant execute on function app.running_since(bigint), app.overdue_since(text, timestamptz),
    app.last_due(text, timestamptz), app.last_due_of(jsonb, text, timestamptz), app.knows_zone(text)
    to merchant_jobs_runner;
  grant execute on procedure app.run_job(text, timestamptz), app.run_once(text, timestamptz, text, text),
    app.run_overdue(), app.find_overdue(text[], text, timestamptz) to merchant_jobs_runner;
  grant execute on function app.attempt_run(text, timestamptz), app.run_batch(bigint), app.fail_run(bigint, text, text)
    to merchant_jobs_runner;
end;
$$;
