CREATE SCHEMA app;

ALTER SCHEMA app OWNER TO merchant_schema_owner;

COMMENT ON SCHEMA app IS 'The merchant''s application: its ledger, and the engine that runs background jobs over it.';

CREATE SCHEMA merchant_jobs;

ALTER SCHEMA merchant_jobs OWNER TO merchant_schema_owner;

COMMENT ON SCHEMA merchant_jobs IS 'Bookkeeping of merchant-jobs: what was applied here. No application role may enter.';

CREATE TYPE app.batch_result AS (
	items text[],
	next_cursor jsonb,
	done boolean,
	affected bigint
);

ALTER TYPE app.batch_result OWNER TO merchant_schema_owner;

COMMENT ON TYPE app.batch_result IS 'What a batch function answers. Asked what is due: items, their keys; next_cursor, where the next page goes on; done, that nothing comes after these. Told to do items: affected, how many of them it did.';

CREATE FUNCTION app.attempt_run(p_job text, p_due timestamp with time zone, OUT run_id bigint, OUT error_sqlstate text, OUT error text) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  v_message text;
begin
  begin
    run_id := app.begin_run(p_job, p_due);
  exception when query_canceled or assert_failure or others then
    get stacked diagnostics error_sqlstate = returned_sqlstate, v_message = message_text;
    error := pg_catalog.format('job %s did not start: %s', p_job, v_message);
  end;
  -- Every attempt leaves a row; a call that the engine refuses (MJ001, MJ011) is none.
  if error_sqlstate not like 'MJ%' then
    begin
      call app.fail_claim(p_job, p_due, error_sqlstate, v_message);
    exception when query_canceled or assert_failure or others then
      -- What kept the claim, a full disk or a locked table, may keep the row too. The first error says more, but for a
      -- cancel, which means the caller's other jobs too.
      error_sqlstate := case when sqlstate = '57014' then sqlstate else error_sqlstate end;
    end;
  end if;
end;
$$;

ALTER FUNCTION app.attempt_run(p_job text, p_due timestamp with time zone, OUT run_id bigint, OUT error_sqlstate text, OUT error text) OWNER TO merchant_schema_owner;

COMMENT ON FUNCTION app.attempt_run(p_job text, p_due timestamp with time zone, OUT run_id bigint, OUT error_sqlstate text, OUT error text) IS 'Begins a run (app.begin_run) for the calling statement, or records why it could not: the run_id, null when there is nothing to run now, or the error, which it does not raise.';

CREATE FUNCTION app.begin_key(p_key text, OUT begun boolean, OUT state text, OUT response jsonb) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET lock_timeout TO '5s'
    AS $$
begin
  if p_key is null or pg_catalog.length(p_key) not between 1 and 200 then
    raise exception '% is no idempotency key: it has 1 to 200 characters',
      coalesce(pg_catalog.quote_literal(pg_catalog.left(p_key, 200)), 'null')
      using errcode = 'MJ029';
  end if;
  loop
    -- Waits for a session that begins the same key, or deletes it as old, and has not committed.
    insert into app.idempotency_keys as k (key)
    values (p_key)
    on conflict (key) do nothing
    returning true, k.state into begun, state;
    if begun then
      return;
    end if;
    select false, k.state, k.response
    into begun, state, response
    from app.idempotency_keys as k
    where k.key = p_key;
    -- A key that was deleted between the two statements is new.
    exit when found;
  end loop;
end;
$$;

ALTER FUNCTION app.begin_key(p_key text, OUT begun boolean, OUT state text, OUT response jsonb) OWNER TO merchant_schema_owner;

COMMENT ON FUNCTION app.begin_key(p_key text, OUT begun boolean, OUT state text, OUT response jsonb) IS 'Begins a request. begun: the caller does it, then calls app.finish_key; otherwise another has, and state and response are what became of it. Raises MJ029 for a key that is none.';

CREATE FUNCTION app.begin_run(p_job text, p_due timestamp with time zone) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET lock_timeout TO '5s'
    AS $$
declare
  v_scheduler constant text := app.scheduler_of_session();
  v_job app.jobs;
  v_due timestamptz := p_due;
  v_claim app.job_runs;
  v_run_id bigint;
begin
  select j.* into v_job from app.jobs as j where j.name = p_job;
  if not found then
    raise exception 'there is no job %: app.jobs lists those of this database', pg_catalog.quote_literal(p_job)
      using errcode = 'MJ001';
  end if;
  if p_due > pg_catalog.clock_timestamp() then
    raise exception 'job % is not due yet: % is later than the server''s clock', p_job, p_due
      using errcode = 'MJ011';
  end if;
  -- A scheduler may hear of a pause, or of a new schedule, later than this row. A call by hand is never held back.
  if (v_scheduler <> 'manual' and (not v_job.enabled or p_due <= v_job.due_from))
    or (v_scheduler = 'runner' and p_due is not null and v_job.due_schedule is null)
  then
    return null;
  end if;
  -- A crontab may fire when nothing is due: in a time zone it does so at each offset that the zone has in a year. A runner
  -- may come for a due time of an older schedule, or of other time zone data; of a zone that is not known here it alone can
  -- say. A schedule of seconds has no due times, and a call by hand is never asked for one.
  if not v_job.due_schedule ? 'every' and (
    (v_scheduler = 'pg_cron' and p_due is null)
    or (v_scheduler = 'runner' and p_due is not null and app.knows_zone(v_job.timezone))
  ) then
    v_due := app.last_due(p_job, pg_catalog.clock_timestamp());
    if v_due is null or v_due <= v_job.due_from then
      return null;
    end if;
  end if;
  if v_due is not null and not app.is_open(v_job.job_id, v_due) then
    return null;
  end if;

  v_claim := app.live_claim(v_job.job_id);
  if v_claim.run_id is null then
    -- Class 7261 is ours; the lock ends with the transaction, so that no path leaves it behind. Each batch holds it too.
    -- Nobody is alive here, so this waits at most for one that is claiming, or committing its last batch, right now.
    perform pg_catalog.pg_advisory_xact_lock(7261, v_job.job_id::integer);
    v_claim := app.live_claim(v_job.job_id);
  end if;
  if v_claim.run_id is null then
    -- Before the due time is looked at again: an attempt whose session is gone spaces the calls as one that failed does.
    update app.job_runs
    set status = 'abandoned',
      finished_at = pg_catalog.clock_timestamp(),
      error = 'the session that ran it is gone'
    where job_id = v_job.job_id
      and status = 'running';
  else
    -- A run that began since the due time does what this call is for.
    if v_due is null or v_claim.started_at < v_due then
      insert into app.job_runs (job_id, scheduler, status, due, finished_at)
      values (v_job.job_id, v_scheduler, 'skipped', v_due, pg_catalog.clock_timestamp())
      on conflict (job_id, due) where status = 'skipped' do nothing;
    end if;
    return null;
  end if;
  -- Again: while this waited, somebody may have done it.
  if v_due is not null and not app.is_open(v_job.job_id, v_due) then
    return null;
  end if;

  insert into app.job_runs (job_id, scheduler, status, due)
  values (v_job.job_id, v_scheduler, 'running', v_due)
  returning run_id into v_run_id;
  return v_run_id;
end;
$$;

ALTER FUNCTION app.begin_run(p_job text, p_due timestamp with time zone) OWNER TO merchant_schema_owner;

COMMENT ON FUNCTION app.begin_run(p_job text, p_due timestamp with time zone) IS 'Claims a run of a job for the calling statement and gives its run_id; null when there is nothing to run now. A runner''s call for a due time is for the job''s last one, whichever it names. Raises MJ001 for an unknown job, MJ011 for a due time in the future.';

CREATE TABLE app.jobs (
    job_id bigint NOT NULL,
    name text NOT NULL,
    batch_function text NOT NULL,
    batch_size bigint NOT NULL,
    time_limit_seconds bigint NOT NULL,
    moves_money boolean DEFAULT false NOT NULL,
    schedule text,
    due_schedule jsonb,
    timezone text DEFAULT 'GMT'::text NOT NULL,
    enabled boolean DEFAULT true NOT NULL,
    due_from timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    settings jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT jobs_batch_function_form CHECK ((batch_function ~ '^[a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*$'::text)),
    CONSTRAINT jobs_batch_size_range CHECK (((batch_size >= 1) AND (batch_size <= 100000))),
    CONSTRAINT jobs_due_schedule_form CHECK ((jsonb_typeof(due_schedule) = 'object'::text)),
    CONSTRAINT jobs_name_form CHECK ((name ~ '^[a-z][a-z0-9_]{0,30}$'::text)),
    CONSTRAINT jobs_schedule_length CHECK (((length(schedule) >= 1) AND (length(schedule) <= 200))),
    CONSTRAINT jobs_schedule_parsed CHECK (((schedule IS NULL) = (due_schedule IS NULL))),
    CONSTRAINT jobs_settings_form CHECK ((jsonb_typeof(settings) = 'object'::text)),
    CONSTRAINT jobs_time_limit_seconds_range CHECK (((time_limit_seconds >= 1) AND (time_limit_seconds <= 86400))),
    CONSTRAINT jobs_timezone_length CHECK (((length(timezone) >= 1) AND (length(timezone) <= 100)))
);

ALTER TABLE app.jobs OWNER TO merchant_schema_owner;

COMMENT ON TABLE app.jobs IS 'The jobs that may run here, written by converge from the catalogue (spec/jobs.ts).';

COMMENT ON COLUMN app.jobs.batch_function IS 'schema.name of a function (p_now timestamptz, p_limit bigint, p_cursor jsonb, p_items text[], p_settings jsonb) returns app.batch_result.';

COMMENT ON COLUMN app.jobs.batch_size IS 'Items that one batch, which is one transaction, may change.';

COMMENT ON COLUMN app.jobs.time_limit_seconds IS 'A run that is older starts no further batch; the next run goes on.';

COMMENT ON COLUMN app.jobs.moves_money IS 'Catch-up runs it before jobs that do not.';

COMMENT ON COLUMN app.jobs.schedule IS 'When it is due, in the time zone of timezone; null for a job that is run by hand alone.';

COMMENT ON COLUMN app.jobs.due_schedule IS 'The schedule as parsed (spec/schedule.ts): what app.last_due computes with.';

COMMENT ON COLUMN app.jobs.enabled IS 'False for a job that is switched off, and for all jobs of a suspended merchant.';

COMMENT ON COLUMN app.jobs.due_from IS 'When schedule, time zone or enabled changed last: no time before it counts as missed.';

COMMENT ON COLUMN app.jobs.settings IS 'What the batch function gets as p_settings, for example {"retentionDays": 7}.';

CREATE FUNCTION app.call_batch(p_job app.jobs, p_now timestamp with time zone, p_cursor jsonb, p_items text[]) RETURNS app.batch_result
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $_$
declare
  v_result app.batch_result;
begin
  execute pg_catalog.format(
    'select * from %I.%I(p_now => $1, p_limit => $2, p_cursor => $3, p_items => $4, p_settings => $5)',
    pg_catalog.split_part(p_job.batch_function, '.', 1),
    pg_catalog.split_part(p_job.batch_function, '.', 2)
  )
  into v_result
  using p_now, p_job.batch_size, p_cursor, p_items, p_job.settings;
  if p_items is not null then
    -- A constraint that waits for COMMIT would fail where no handler can stand, and nobody would know for which item.
    set constraints all immediate;
  end if;
  return v_result;
end;
$_$;

ALTER FUNCTION app.call_batch(p_job app.jobs, p_now timestamp with time zone, p_cursor jsonb, p_items text[]) OWNER TO merchant_schema_owner;

COMMENT ON FUNCTION app.call_batch(p_job app.jobs, p_now timestamp with time zone, p_cursor jsonb, p_items text[]) IS 'Calls a job''s batch function: without items, what is due after the cursor; with items, to do them.';

CREATE FUNCTION app.cancel_operation(p_operation_id bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  perform app.close_operation(p_operation_id, 'cancelled');
end;
$$;

ALTER FUNCTION app.cancel_operation(p_operation_id bigint) OWNER TO merchant_schema_owner;

COMMENT ON FUNCTION app.cancel_operation(p_operation_id bigint) IS 'Ends an operation as cancelled: what it held goes back to its lot. Raises MJ026 for no such operation, MJ027 when it has ended, MJ028 when it ran out of time.';

CREATE PROCEDURE app.cleanup_expired_operations()
    LANGUAGE plpgsql
    AS $$
begin
  call app.run_job('ops_cleanup');
end;
$$;

ALTER PROCEDURE app.cleanup_expired_operations() OWNER TO merchant_schema_owner;

COMMENT ON PROCEDURE app.cleanup_expired_operations() IS 'The job ops_cleanup.';

CREATE FUNCTION app.cleanup_expired_operations_batch(p_now timestamp with time zone, p_limit bigint, p_cursor jsonb, p_items text[], p_settings jsonb) RETURNS app.batch_result
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET lock_timeout TO '5s'
    AS $$
declare
  v_after_time timestamptz := coalesce((p_cursor ->> 'expires_at')::timestamptz, '-infinity');
  v_after_id bigint := coalesce((p_cursor ->> 'operation_id')::bigint, 0);
  v_operation_ids bigint[];
  v_result app.batch_result;
begin
  if p_items is null then
    select
      coalesce(pg_catalog.array_agg(due.operation_id::text order by due.expires_at, due.operation_id), '{}'),
      coalesce(
        pg_catalog.jsonb_build_object(
          'expires_at', pg_catalog.max(due.expires_at),
          'operation_id', (pg_catalog.array_agg(due.operation_id order by due.expires_at desc, due.operation_id desc))[1]
        ),
        p_cursor
      ),
      pg_catalog.count(*) < p_limit
    into v_result.items, v_result.next_cursor, v_result.done
    from (
      select o.operation_id, o.expires_at
      from app.operations as o
      where o.state = 'open'
        and o.expires_at <= p_now
        and (o.expires_at, o.operation_id) > (v_after_time, v_after_id)
      order by o.expires_at, o.operation_id
      limit p_limit
    ) as due;
    return v_result;
  end if;

  -- The lots first, in key order, then the operations: as the application's functions do. What became of an operation
  -- while this waited for its lot is looked at again under its own lock.
  v_operation_ids := p_items::bigint[];
  perform
  from app.lots as l
  where l.lot_id in (select o.lot_id from app.operations as o where o.operation_id = any (v_operation_ids))
  order by l.lot_id
  for update;

  with locked as materialized (
    select o.operation_id
    from app.operations as o
    where o.operation_id = any (v_operation_ids)
      and o.state = 'open'
      and o.expires_at <= p_now
    order by o.operation_id
    for update
  ),
  closed as (
    update app.operations
    set state = 'expired', closed_at = pg_catalog.clock_timestamp()
    from locked
    where operations.operation_id = locked.operation_id
    returning operations.operation_id, operations.lot_id, operations.held_minor
  ),
  released as (
    insert into app.ledger_entries (lot_id, operation_id, kind, amount_minor)
    select c.lot_id, c.operation_id, 'release', c.held_minor
    from closed as c
    where c.held_minor > 0
  )
  select pg_catalog.count(*)
  into v_result.affected
  from closed;
  return v_result;
end;
$$;

ALTER FUNCTION app.cleanup_expired_operations_batch(p_now timestamp with time zone, p_limit bigint, p_cursor jsonb, p_items text[], p_settings jsonb) OWNER TO merchant_schema_owner;

COMMENT ON FUNCTION app.cleanup_expired_operations_batch(p_now timestamp with time zone, p_limit bigint, p_cursor jsonb, p_items text[], p_settings jsonb) IS 'The batch function of ops_cleanup; an item is an operation_id. Closes operations that are open past expires_at; what they held goes back to its lot by one release entry. A lot that has expired meanwhile is due again by that.';

CREATE PROCEDURE app.cleanup_history()
    LANGUAGE plpgsql
    AS $$
begin
  call app.run_job('history_cleanup');
end;
$$;

ALTER PROCEDURE app.cleanup_history() OWNER TO merchant_schema_owner;

COMMENT ON PROCEDURE app.cleanup_history() IS 'The job history_cleanup.';

CREATE FUNCTION app.cleanup_history_batch(p_now timestamp with time zone, p_limit bigint, p_cursor jsonb, p_items text[], p_settings jsonb) RETURNS app.batch_result
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET lock_timeout TO '5s'
    AS $$
declare
  v_result app.batch_result;
  -- Hours: a day of 23 or 25 of them, where the session's time zone has one, changes nothing.
  v_until constant timestamptz :=
    p_now - pg_catalog.make_interval(hours => 24 * coalesce((p_settings ->> 'retentionDays')::integer, 90));
begin
  if p_items is null then
    select
      coalesce(pg_catalog.array_agg(due.run_id::text order by due.started_at, due.run_id), '{}'),
      (
        pg_catalog.array_agg(
          pg_catalog.jsonb_build_object('started_at', due.started_at, 'run_id', due.run_id)
          order by due.started_at desc, due.run_id desc
        )
      )[1],
      pg_catalog.count(*) < p_limit
    into v_result.items, v_result.next_cursor, v_result.done
    from (
      select r.run_id, r.started_at
      from app.job_runs as r
      where r.started_at < v_until
        and r.status <> 'running'
        and (
          p_cursor is null
          or (r.started_at, r.run_id)
            > ((p_cursor ->> 'started_at')::timestamptz, (p_cursor ->> 'run_id')::bigint)
        )
        -- The newest of each job stays, and the newest complete success, by which a job of once a year is not overdue.
        and exists (
          select
          from app.job_runs as n
          where n.job_id = r.job_id
            and (n.started_at, n.run_id) > (r.started_at, r.run_id)
        )
        and (
          r.status <> 'succeeded'
          or r.more
          or exists (
            select
            from app.job_runs as n
            where n.job_id = r.job_id
              and n.status = 'succeeded'
              and not n.more
              and (n.started_at, n.run_id) > (r.started_at, r.run_id)
          )
        )
      order by r.started_at, r.run_id
      limit p_limit
    ) as due;
    return v_result;
  end if;

  -- Nothing of what makes a finished run old ever changes.
  delete from app.job_runs where run_id = any (p_items::bigint[]) and started_at < v_until and status <> 'running';
  get diagnostics v_result.affected = row_count;
  return v_result;
end;
$$;

ALTER FUNCTION app.cleanup_history_batch(p_now timestamp with time zone, p_limit bigint, p_cursor jsonb, p_items text[], p_settings jsonb) OWNER TO merchant_schema_owner;

COMMENT ON FUNCTION app.cleanup_history_batch(p_now timestamp with time zone, p_limit bigint, p_cursor jsonb, p_items text[], p_settings jsonb) IS 'Deletes runs older than the setting retentionDays says (90), keeping each job''s newest and newest complete success.';

CREATE PROCEDURE app.cleanup_idempotency()
    LANGUAGE plpgsql
    AS $$
begin
  call app.run_job('idempotency_cleanup');
end;
$$;

ALTER PROCEDURE app.cleanup_idempotency() OWNER TO merchant_schema_owner;

COMMENT ON PROCEDURE app.cleanup_idempotency() IS 'The job idempotency_cleanup.';

CREATE FUNCTION app.cleanup_idempotency_batch(p_now timestamp with time zone, p_limit bigint, p_cursor jsonb, p_items text[], p_settings jsonb) RETURNS app.batch_result
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET lock_timeout TO '5s'
    AS $$
declare
  v_after_time timestamptz := coalesce((p_cursor ->> 'finished_at')::timestamptz, '-infinity');
  v_after_key text := coalesce(p_cursor ->> 'key', '');
  -- Hours: a day of 23 or 25 of them, where the session's time zone has one, changes nothing.
  v_until timestamptz := p_now - pg_catalog.make_interval(hours => 24 * coalesce(p_settings ->> 'retentionDays', '7')::integer);
  v_result app.batch_result;
begin
  -- Only finished keys: one that is in progress is the proof that a request must not be done again, however old.
  if p_items is null then
    select
      coalesce(pg_catalog.array_agg(due.key order by due.finished_at, due.key), '{}'),
      coalesce(
        pg_catalog.jsonb_build_object(
          'finished_at', pg_catalog.max(due.finished_at),
          'key', (pg_catalog.array_agg(due.key order by due.finished_at desc, due.key desc))[1]
        ),
        p_cursor
      ),
      pg_catalog.count(*) < p_limit
    into v_result.items, v_result.next_cursor, v_result.done
    from (
      select k.key, k.finished_at
      from app.idempotency_keys as k
      where k.state <> 'in_progress'
        and k.finished_at <= v_until
        and (k.finished_at, k.key) > (v_after_time, v_after_key)
      order by k.finished_at, k.key
      limit p_limit
    ) as due;
    return v_result;
  end if;

  with locked as materialized (
    select k.key
    from app.idempotency_keys as k
    where k.key = any (p_items)
      and k.state <> 'in_progress'
      and k.finished_at <= v_until
    order by k.key
    for update
  )
  delete from app.idempotency_keys
  using locked
  where idempotency_keys.key = locked.key;
  get diagnostics v_result.affected = row_count;
  return v_result;
end;
$$;

ALTER FUNCTION app.cleanup_idempotency_batch(p_now timestamp with time zone, p_limit bigint, p_cursor jsonb, p_items text[], p_settings jsonb) OWNER TO merchant_schema_owner;

COMMENT ON FUNCTION app.cleanup_idempotency_batch(p_now timestamp with time zone, p_limit bigint, p_cursor jsonb, p_items text[], p_settings jsonb) IS 'The batch function of idempotency_cleanup; an item is a key. Deletes idempotency keys that have been finished for the setting retentionDays (7 when it is not given).';

CREATE TABLE app.operations (
    operation_id bigint NOT NULL,
    lot_id bigint,
    held_minor bigint DEFAULT 0 NOT NULL,
    state text DEFAULT 'open'::text NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    closed_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT operations_closed CHECK (((state = 'open'::text) = (closed_at IS NULL))),
    CONSTRAINT operations_held_minor_range CHECK (((held_minor >= 0) AND ((held_minor = 0) OR (lot_id IS NOT NULL)))),
    CONSTRAINT operations_state_known CHECK ((state = ANY (ARRAY['open'::text, 'completed'::text, 'expired'::text, 'cancelled'::text])))
);

ALTER TABLE app.operations OWNER TO merchant_schema_owner;

COMMENT ON TABLE app.operations IS 'Something begun that must be completed in time; it may hold money of a lot meanwhile.';

COMMENT ON COLUMN app.operations.held_minor IS 'Minor units that a hold entry took from the lot. One release entry gives them back when the operation ends, and one spend entry takes them for good when it ends completed.';

CREATE FUNCTION app.close_operation(p_operation_id bigint, p_state text) RETURNS app.operations
    LANGUAGE plpgsql
    SET search_path TO ''
    SET lock_timeout TO '5s'
    AS $$
declare
  v_operation app.operations;
begin
  -- The lot of an operation never changes, so it may be read before it is locked.
  select o.* into v_operation from app.operations as o where o.operation_id = p_operation_id;
  if not found then
    raise exception 'there is no operation %', p_operation_id using errcode = 'MJ026';
  end if;
  if v_operation.lot_id is not null then
    perform app.lock_lot(v_operation.lot_id);
  end if;
  select o.* into v_operation from app.operations as o where o.operation_id = p_operation_id for update;
  if v_operation.state <> 'open' then
    raise exception 'operation % is %', p_operation_id, v_operation.state using errcode = 'MJ027';
  end if;
  if v_operation.expires_at <= pg_catalog.clock_timestamp() then
    raise exception 'operation % ran out of time', p_operation_id using errcode = 'MJ028';
  end if;
  update app.operations
  set state = p_state, closed_at = pg_catalog.clock_timestamp()
  where operation_id = p_operation_id;
  if v_operation.held_minor > 0 then
    insert into app.ledger_entries (lot_id, operation_id, kind, amount_minor)
    values (v_operation.lot_id, p_operation_id, 'release', v_operation.held_minor);
  end if;
  return v_operation;
end;
$$;

ALTER FUNCTION app.close_operation(p_operation_id bigint, p_state text) OWNER TO merchant_schema_owner;

COMMENT ON FUNCTION app.close_operation(p_operation_id bigint, p_state text) IS 'Ends an operation that is open, and gives back what it held. Raises MJ026 for no such operation, MJ027 when it has ended, MJ028 when it ran out of time.';

CREATE FUNCTION app.complete_operation(p_operation_id bigint) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  v_operation app.operations;
  v_entry_id bigint;
begin
  v_operation := app.close_operation(p_operation_id, 'completed');
  -- What was held is there to be spent, also when the lot has expired meanwhile.
  if v_operation.held_minor > 0 then
    insert into app.ledger_entries (lot_id, operation_id, kind, amount_minor)
    values (v_operation.lot_id, p_operation_id, 'spend', -v_operation.held_minor)
    returning entry_id into v_entry_id;
  end if;
  return v_entry_id;
end;
$$;

ALTER FUNCTION app.complete_operation(p_operation_id bigint) OWNER TO merchant_schema_owner;

COMMENT ON FUNCTION app.complete_operation(p_operation_id bigint) IS 'Ends an operation as completed and spends what it held; returns the entry_id of that, null when it held nothing. Raises MJ026 for no such operation, MJ027 when it has ended, MJ028 when it ran out of time.';

CREATE FUNCTION app.credit_lot(p_lot_id bigint, p_amount_minor bigint) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  v_granted numeric;
  v_entry_id bigint;
begin
  perform app.require_amount(p_amount_minor);
  perform app.lock_lot(p_lot_id);
  -- Everything else that a lot gets is a part of its grants that was taken before, so no sum of its entries overflows.
  select coalesce(pg_catalog.sum(e.amount_minor), 0)
  into v_granted
  from app.ledger_entries as e
  where e.lot_id = p_lot_id
    and e.kind = 'grant';
  if v_granted + p_amount_minor > 9223372036854775807 then
    raise exception 'lot % was granted %, and % more is above what a lot may get', p_lot_id, v_granted, p_amount_minor
      using errcode = 'MJ022', hint = 'All grants of a lot together are at most 9223372036854775807 minor units.';
  end if;
  insert into app.ledger_entries (lot_id, kind, amount_minor)
  values (p_lot_id, 'grant', p_amount_minor)
  returning entry_id into v_entry_id;
  return v_entry_id;
end;
$$;

ALTER FUNCTION app.credit_lot(p_lot_id bigint, p_amount_minor bigint) OWNER TO merchant_schema_owner;

COMMENT ON FUNCTION app.credit_lot(p_lot_id bigint, p_amount_minor bigint) IS 'Adds p_amount_minor minor units to a lot; returns the entry_id. A lot that has expired takes them too, and the next run of expire_lots takes them away. Raises MJ004 for an amount that is none, MJ005 for no such lot, MJ022 for too much.';

CREATE FUNCTION app.debit_lot(p_lot_id bigint, p_operation_id bigint, p_kind text, p_amount_minor bigint) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  v_lot app.lots;
  v_balance numeric;
  v_entry_id bigint;
begin
  perform app.require_amount(p_amount_minor);
  v_lot := app.lock_lot(p_lot_id);
  -- The clock is looked at after the lock was granted.
  if v_lot.expired_at is not null or v_lot.expires_at <= pg_catalog.clock_timestamp() then
    raise exception 'lot % has expired', p_lot_id using errcode = 'MJ006';
  end if;
  select coalesce(pg_catalog.sum(e.amount_minor), 0)
  into v_balance
  from app.ledger_entries as e
  where e.lot_id = p_lot_id;
  if v_balance < p_amount_minor then
    raise exception 'lot % has % left, and % cannot be taken', p_lot_id, v_balance, p_amount_minor
      using errcode = 'MJ007';
  end if;
  insert into app.ledger_entries (lot_id, operation_id, kind, amount_minor)
  values (p_lot_id, p_operation_id, p_kind, -p_amount_minor)
  returning entry_id into v_entry_id;
  return v_entry_id;
end;
$$;

ALTER FUNCTION app.debit_lot(p_lot_id bigint, p_operation_id bigint, p_kind text, p_amount_minor bigint) OWNER TO merchant_schema_owner;

COMMENT ON FUNCTION app.debit_lot(p_lot_id bigint, p_operation_id bigint, p_kind text, p_amount_minor bigint) IS 'Takes from a lot what it has, under its lock, and gives the entry_id. Raises MJ004 for an amount that is none, MJ005 for no such lot, MJ006 when it has expired, MJ007 when less is left.';

CREATE FUNCTION app.do_items(p_job app.jobs, p_run_id bigint, p_now timestamp with time zone, p_items text[], p_one_by_one boolean, OUT affected bigint, OUT quarantined bigint) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  v_item text;
  v_sqlstate text;
  v_message text;
begin
  affected := 0;
  quarantined := 0;
  if not p_one_by_one then
    -- Errors of the data alone: class 22, class 23, and P0001 of a RAISE. Any other is of the moment and fails the run.
    begin
      affected := coalesce((app.call_batch(p_job, p_now, null, p_items)).affected, 0);
      return;
    exception when data_exception or integrity_constraint_violation or raise_exception then
      null;
    end;
  end if;

  foreach v_item in array p_items loop
    begin
      affected := affected + coalesce((app.call_batch(p_job, p_now, null, array[v_item])).affected, 0);
      delete from app.job_quarantine where job_id = p_job.job_id and item = v_item;
    exception when data_exception or integrity_constraint_violation or raise_exception then
      get stacked diagnostics v_sqlstate = returned_sqlstate, v_message = message_text;
      insert into app.job_quarantine as q (job_id, item, error, error_sqlstate, last_run_id)
      values (p_job.job_id, v_item, pg_catalog.left(v_message, 8000), v_sqlstate, p_run_id)
      on conflict (job_id, item) do update
      set error = excluded.error,
        error_sqlstate = excluded.error_sqlstate,
        attempts = q.attempts + 1,
        last_attempt_at = excluded.last_attempt_at,
        last_run_id = excluded.last_run_id;
      quarantined := quarantined + 1;
    end;
  end loop;
end;
$$;

ALTER FUNCTION app.do_items(p_job app.jobs, p_run_id bigint, p_now timestamp with time zone, p_items text[], p_one_by_one boolean, OUT affected bigint, OUT quarantined bigint) OWNER TO merchant_schema_owner;

COMMENT ON FUNCTION app.do_items(p_job app.jobs, p_run_id bigint, p_now timestamp with time zone, p_items text[], p_one_by_one boolean, OUT affected bigint, OUT quarantined bigint) IS 'Does items of a job in one call; when their data make that fail, or when told so, one by one, and puts those that fail into app.job_quarantine. Gives how many were done and how many failed.';

CREATE PROCEDURE app.expire_lots()
    LANGUAGE plpgsql
    AS $$
begin
  call app.run_job('lot_expiry');
end;
$$;

ALTER PROCEDURE app.expire_lots() OWNER TO merchant_schema_owner;

COMMENT ON PROCEDURE app.expire_lots() IS 'The job lot_expiry.';

CREATE FUNCTION app.expire_lots_batch(p_now timestamp with time zone, p_limit bigint, p_cursor jsonb, p_items text[], p_settings jsonb) RETURNS app.batch_result
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET lock_timeout TO '5s'
    AS $$
declare
  v_after_time timestamptz := coalesce((p_cursor ->> 'expires_at')::timestamptz, '-infinity');
  v_after_id bigint := coalesce((p_cursor ->> 'lot_id')::bigint, 0);
  v_lot_ids bigint[];
  v_result app.batch_result;
begin
  if p_items is null then
    select
      coalesce(pg_catalog.array_agg(due.lot_id::text order by due.expires_at, due.lot_id), '{}'),
      coalesce(
        pg_catalog.jsonb_build_object(
          'expires_at', pg_catalog.max(due.expires_at),
          'lot_id', (pg_catalog.array_agg(due.lot_id order by due.expires_at desc, due.lot_id desc))[1]
        ),
        p_cursor
      ),
      pg_catalog.count(*) < p_limit
    into v_result.items, v_result.next_cursor, v_result.done
    from (
      select l.lot_id, l.expires_at
      from app.lots as l
      where l.expired_at is null
        and l.expires_at <= p_now
        and (l.expires_at, l.lot_id) > (v_after_time, v_after_id)
      order by l.expires_at, l.lot_id
      limit p_limit
    ) as due;
    return v_result;
  end if;

  -- Lock and mark first, sum in a later statement: in one statement the sum is of a snapshot taken before the lock was
  -- granted, and a spend that committed in between would be debited twice.
  with locked as materialized (
    select l.lot_id
    from app.lots as l
    where l.lot_id = any (p_items::bigint[])
      and l.expired_at is null
      and l.expires_at <= p_now
    order by l.lot_id
    for update
  ),
  marked as (
    update app.lots
    set expired_at = pg_catalog.clock_timestamp()
    from locked
    where lots.lot_id = locked.lot_id
    returning lots.lot_id
  )
  select pg_catalog.array_agg(m.lot_id)
  into v_lot_ids
  from marked as m;

  insert into app.ledger_entries (lot_id, kind, amount_minor)
  select e.lot_id, 'expiry', -pg_catalog.sum(e.amount_minor)
  from app.ledger_entries as e
  where e.lot_id = any (v_lot_ids)
  group by e.lot_id
  having pg_catalog.sum(e.amount_minor) > 0;

  v_result.affected := coalesce(pg_catalog.cardinality(v_lot_ids), 0);
  return v_result;
end;
$$;

ALTER FUNCTION app.expire_lots_batch(p_now timestamp with time zone, p_limit bigint, p_cursor jsonb, p_items text[], p_settings jsonb) OWNER TO merchant_schema_owner;

COMMENT ON FUNCTION app.expire_lots_batch(p_now timestamp with time zone, p_limit bigint, p_cursor jsonb, p_items text[], p_settings jsonb) IS 'The batch function of lot_expiry; an item is a lot_id. Debits what is left of lots that are past expires_at, to exactly 0, and marks them expired.';

CREATE PROCEDURE app.fail_claim(IN p_job text, IN p_due timestamp with time zone, IN p_sqlstate text, IN p_error text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET lock_timeout TO '1s'
    AS $$
declare
  v_scheduler constant text := app.scheduler_of_session();
  v_now constant timestamptz := pg_catalog.clock_timestamp();
begin
  -- No claim is needed for what is over already: whatever holds the claim up does not hold this up.
  insert into app.job_runs (job_id, scheduler, status, due, started_at, finished_at, error, error_sqlstate)
  select
    j.job_id,
    v_scheduler,
    'failed',
    -- As app.begin_run takes it.
    case
      when not j.due_schedule ? 'every'
        and ((v_scheduler = 'pg_cron' and p_due is null) or (v_scheduler = 'runner' and p_due is not null))
        and app.knows_zone(j.timezone)
        then app.last_due_of(j.due_schedule, j.timezone, v_now)
      else p_due
    end,
    v_now,
    v_now,
    pg_catalog.left(p_error, 8000),
    p_sqlstate
  from app.jobs as j
  where j.name = p_job;
end;
$$;

ALTER PROCEDURE app.fail_claim(IN p_job text, IN p_due timestamp with time zone, IN p_sqlstate text, IN p_error text) OWNER TO merchant_schema_owner;

COMMENT ON PROCEDURE app.fail_claim(IN p_job text, IN p_due timestamp with time zone, IN p_sqlstate text, IN p_error text) IS 'Records an attempt that failed before it had a run, for example because somebody held the claim for longer than it waits (55P03), or because the server does not know the job''s time zone (22023).';

CREATE FUNCTION app.fail_run(p_run_id bigint, p_sqlstate text, p_error text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  update app.job_runs
  set status = 'failed',
    finished_at = pg_catalog.clock_timestamp(),
    error = pg_catalog.left(p_error, 8000),
    error_sqlstate = p_sqlstate
  where run_id = p_run_id
    and status = 'running'
    and backend_pid = pg_catalog.pg_backend_pid()
    and statement_started_at = pg_catalog.statement_timestamp();
  if not found then
    raise exception 'run % is not a running run of this statement', p_run_id
      using errcode = 'MJ002', hint = 'Only the statement that began a run may fail it.';
  end if;
end;
$$;

ALTER FUNCTION app.fail_run(p_run_id bigint, p_sqlstate text, p_error text) OWNER TO merchant_schema_owner;

COMMENT ON FUNCTION app.fail_run(p_run_id bigint, p_sqlstate text, p_error text) IS 'Records that the calling statement''s run failed; its committed batches stay.';

CREATE PROCEDURE app.find_overdue(IN p_tried text[], INOUT p_job text, INOUT p_due timestamp with time zone)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  select o.name, o.due
  into p_job, p_due
  from (
    select j.name, j.moves_money, app.overdue_since(j.name, pg_catalog.clock_timestamp()) as due
    from app.jobs as j
    where j.name <> all (p_tried)
  ) as o
  where o.due is not null
  -- What somebody's money waits for goes before what only takes room.
  order by o.moves_money desc, o.due, o.name
  limit 1;
end;
$$;

ALTER PROCEDURE app.find_overdue(IN p_tried text[], INOUT p_job text, INOUT p_due timestamp with time zone) OWNER TO merchant_schema_owner;

COMMENT ON PROCEDURE app.find_overdue(IN p_tried text[], INOUT p_job text, INOUT p_due timestamp with time zone) IS 'Gives the overdue job that is to be run next, of those that are not in p_tried, and the due time that it has missed: jobs that move money first, then the longest overdue. Null when there is none.';

CREATE FUNCTION app.finish_key(p_key text, p_state text, p_response jsonb) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET lock_timeout TO '5s'
    AS $$
begin
  if p_state is null or p_state not in ('succeeded', 'failed') then
    raise exception '% is no way to finish: succeeded or failed', coalesce(pg_catalog.quote_literal(p_state), 'null')
      using errcode = 'MJ030';
  end if;
  update app.idempotency_keys
  set state = p_state,
    response = p_response,
    finished_at = pg_catalog.clock_timestamp()
  where key = p_key
    and state = 'in_progress';
  if not found then
    raise exception 'no request with key % is in progress',
      coalesce(pg_catalog.quote_literal(pg_catalog.left(p_key, 200)), 'null')
      using errcode = 'MJ031';
  end if;
end;
$$;

ALTER FUNCTION app.finish_key(p_key text, p_state text, p_response jsonb) OWNER TO merchant_schema_owner;

COMMENT ON FUNCTION app.finish_key(p_key text, p_state text, p_response jsonb) IS 'Ends a request as succeeded or failed, for good. Raises MJ030 for another state, MJ031 when no request with that key is in progress.';

CREATE FUNCTION app.grant_lot(p_account text, p_expires_at timestamp with time zone, p_amount_minor bigint) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  v_lot_id bigint;
begin
  if p_account is null or pg_catalog.length(p_account) not between 1 and 200 then
    raise exception '% is no account: it has 1 to 200 characters', coalesce(pg_catalog.quote_literal(p_account), 'null')
      using errcode = 'MJ020';
  end if;
  perform app.require_term(p_expires_at);
  perform app.require_amount(p_amount_minor);
  insert into app.lots (account, expires_at) values (p_account, p_expires_at) returning lot_id into v_lot_id;
  insert into app.ledger_entries (lot_id, kind, amount_minor) values (v_lot_id, 'grant', p_amount_minor);
  return v_lot_id;
end;
$$;

ALTER FUNCTION app.grant_lot(p_account text, p_expires_at timestamp with time zone, p_amount_minor bigint) OWNER TO merchant_schema_owner;

COMMENT ON FUNCTION app.grant_lot(p_account text, p_expires_at timestamp with time zone, p_amount_minor bigint) IS 'Gives an account a lot of p_amount_minor minor units that runs out at p_expires_at; returns its lot_id. Raises MJ004 for an amount that is none, MJ020 for an account that is none, MJ021 for a time that is not in the future.';

CREATE FUNCTION app.is_open(p_job_id bigint, p_due timestamp with time zone) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
declare
  v_now constant timestamptz := pg_catalog.clock_timestamp();
  v_failures bigint;
  v_from timestamptz;
begin
  -- What began later than now was before the clock was set back, and says nothing of this due time.
  perform
  from app.job_runs as r
  where r.job_id = p_job_id
    and r.status = 'succeeded'
    and not r.more
    and r.started_at >= p_due
    and r.started_at <= v_now;
  if found then
    return false;
  end if;
  -- When a session was gone nobody knows, only when that was found: by catch-up a quarter of an hour later, which would
  -- then have to come again. So an abandoned run counts from its beginning.
  select pg_catalog.count(*), pg_catalog.max(case r.status when 'failed' then r.finished_at else r.started_at end)
  into v_failures, v_from
  from app.job_runs as r
  where r.job_id = p_job_id
    and r.status in ('failed', 'abandoned')
    and r.started_at >= p_due
    -- An attempt that could not claim began and ended at once (app.fail_claim): no run was tried.
    and r.finished_at > r.started_at
    and r.finished_at <= v_now;
  -- 2 minutes after one failure, 4 after two, and from the sixth on an hour: 2 ^ n itself would overflow.
  return v_failures = 0
    or v_now >= v_from + pg_catalog.make_interval(mins => least(60, 2 ^ least(v_failures, 6))::integer);
end;
$$;

ALTER FUNCTION app.is_open(p_job_id bigint, p_due timestamp with time zone) OWNER TO merchant_schema_owner;

COMMENT ON FUNCTION app.is_open(p_job_id bigint, p_due timestamp with time zone) IS 'Whether a call for this due time has something to run: no complete success began since, and after n attempts since that failed or were abandoned, min(2^n, 60) minutes have passed from the last: since it failed, or since it began.';

CREATE FUNCTION app.knows_zone(p_timezone text) RETURNS boolean
    LANGUAGE plpgsql STABLE STRICT
    SET search_path TO ''
    AS $$
begin
  -- pg_timezone_names reads every file of the server's time zone data for each question.
  return pg_catalog.timezone(p_timezone, pg_catalog.now()) is not null;
exception when invalid_parameter_value then
  return false;
end;
$$;

ALTER FUNCTION app.knows_zone(p_timezone text) OWNER TO merchant_schema_owner;

COMMENT ON FUNCTION app.knows_zone(p_timezone text) IS 'Whether the server knows a time zone. It may lose one with its time zone data, long after a job was given it.';

CREATE FUNCTION app.last_due(p_job text, p_now timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  return (select app.last_due_of(j.due_schedule, j.timezone, p_now) from app.jobs as j where j.name = p_job);
end;
$$;

ALTER FUNCTION app.last_due(p_job text, p_now timestamp with time zone) OWNER TO merchant_schema_owner;

COMMENT ON FUNCTION app.last_due(p_job text, p_now timestamp with time zone) IS 'The last time up to p_now that a job was due by its schedule; null for a job that has none, or is not there.';

CREATE FUNCTION app.last_due_of(p_due_schedule jsonb, p_timezone text, p_now timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE plpgsql STABLE STRICT
    SET search_path TO ''
    AS $$
declare
  v_local timestamp;
  v_minutes integer[];
  v_hours integer[];
  v_doms integer[];
  v_months integer[];
  v_dows integer[];
  v_last_day boolean;
  v_either boolean;
  v_day date;
  v_oldest date;
  v_fits_dom boolean;
  v_fits_dow boolean;
  v_hour integer;
  v_minute integer;
  v_due timestamp;
  v_instant timestamptz;
  v_before timestamptz;
  v_first timestamptz;
begin
  -- Seconds have no grid: the run before decides when the next one is due.
  if p_due_schedule ? 'every' then
    return p_now - pg_catalog.make_interval(secs => (p_due_schedule ->> 'every')::double precision);
  end if;

  v_minutes := array(select e.v::integer from pg_catalog.jsonb_array_elements_text(p_due_schedule -> 'minutes') as e (v));
  v_hours := array(select e.v::integer from pg_catalog.jsonb_array_elements_text(p_due_schedule -> 'hours') as e (v));
  v_doms := array(select e.v::integer from pg_catalog.jsonb_array_elements_text(p_due_schedule -> 'daysOfMonth') as e (v));
  v_months := array(select e.v::integer from pg_catalog.jsonb_array_elements_text(p_due_schedule -> 'months') as e (v));
  v_dows := array(select e.v::integer from pg_catalog.jsonb_array_elements_text(p_due_schedule -> 'daysOfWeek') as e (v));
  v_last_day := (p_due_schedule -> 'lastDayOfMonth')::boolean;
  -- Two fields that both name days: one of them is enough. A star makes both necessary (ShouldRunTask in pg_cron.c).
  v_either := not ((p_due_schedule -> 'domStar')::boolean or (p_due_schedule -> 'dowStar')::boolean);

  v_local := p_now at time zone p_timezone;
  -- Where clocks go back over midnight, the first instant of a day comes before the last of the day before it.
  v_day := v_local::date + case when p_timezone = 'GMT' then 0 else 1 end;
  -- 29 February is eight years apart around 1900 and 2100.
  v_oldest := v_day - 9 * 366;
  while v_day >= v_oldest loop
    if extract(month from v_day)::integer <> all (v_months) then
      v_day := pg_catalog.date_trunc('month', v_day::timestamp)::date - 1;
      continue;
    end if;
    v_fits_dom := extract(day from v_day)::integer = any (v_doms)
      or (v_last_day and extract(day from v_day + 1) = 1);
    v_fits_dow := extract(dow from v_day)::integer = any (v_dows);
    if (v_fits_dom and v_fits_dow) or (v_either and (v_fits_dom or v_fits_dow)) then
      if v_day < v_local::date or p_timezone <> 'GMT' then
        v_hour := (select pg_catalog.max(h.v) from pg_catalog.unnest(v_hours) as h (v));
        v_minute := (select pg_catalog.max(m.v) from pg_catalog.unnest(v_minutes) as m (v));
      else
        v_hour := extract(hour from v_local)::integer;
        v_minute := case when v_hour = any (v_hours) then (
          select pg_catalog.max(m.v) from pg_catalog.unnest(v_minutes) as m (v) where m.v <= extract(minute from v_local)
        ) end;
        if v_minute is null then
          v_hour := (select pg_catalog.max(h.v) from pg_catalog.unnest(v_hours) as h (v) where h.v < v_hour);
          v_minute := (select pg_catalog.max(m.v) from pg_catalog.unnest(v_minutes) as m (v));
        end if;
      end if;
      v_due := v_day + pg_catalog.make_time(v_hour, v_minute, 0);
      v_instant := v_due at time zone p_timezone;
      if p_timezone <> 'GMT' then
        -- A time that the clocks skipped comes out with the offset before the change, as it should. Of one that they
        -- showed twice it is the second; with the offset of a day earlier it is the first.
        v_before := v_instant - interval '24 hours';
        v_first := v_before + (v_due - (v_before at time zone p_timezone));
        if v_first < v_instant and v_first at time zone p_timezone = v_due then
          v_instant := v_first;
        end if;
      end if;
      if v_instant <= p_now then
        return v_instant;
      end if;
    end if;
    v_day := v_day - 1;
  end loop;
  return null;
end;
$$;

ALTER FUNCTION app.last_due_of(p_due_schedule jsonb, p_timezone text, p_now timestamp with time zone) OWNER TO merchant_schema_owner;

COMMENT ON FUNCTION app.last_due_of(p_due_schedule jsonb, p_timezone text, p_now timestamp with time zone) IS 'The last time up to p_now that a parsed schedule was due (spec/schedule.ts); null when it was not in the last nine years. In a time zone other than GMT it takes one hour and one minute only, and is due once per local day: a time that the clocks skip with the offset before the change, one that they show twice the first time.';

CREATE TABLE app.job_runs (
    run_id bigint NOT NULL,
    job_id bigint NOT NULL,
    scheduler text NOT NULL,
    status text NOT NULL,
    due timestamp with time zone,
    started_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    finished_at timestamp with time zone,
    affected_rows bigint DEFAULT 0 NOT NULL,
    batches bigint DEFAULT 0 NOT NULL,
    quarantined bigint DEFAULT 0 NOT NULL,
    more boolean DEFAULT false NOT NULL,
    error text,
    error_sqlstate text,
    backend_pid integer DEFAULT pg_backend_pid() NOT NULL,
    statement_started_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    next_cursor jsonb,
    retrying boolean DEFAULT false NOT NULL,
    CONSTRAINT job_runs_error_length CHECK ((length(error) <= 8000)),
    CONSTRAINT job_runs_error_sqlstate_form CHECK ((error_sqlstate ~ '^[0-9A-Z]{5}$'::text)),
    CONSTRAINT job_runs_finished CHECK (((status = 'running'::text) = (finished_at IS NULL))),
    CONSTRAINT job_runs_more_succeeded CHECK (((status = 'succeeded'::text) OR (NOT more))),
    CONSTRAINT job_runs_scheduler_known CHECK ((scheduler = ANY (ARRAY['pg_cron'::text, 'runner'::text, 'manual'::text]))),
    CONSTRAINT job_runs_status_known CHECK ((status = ANY (ARRAY['running'::text, 'succeeded'::text, 'failed'::text, 'skipped'::text, 'abandoned'::text])))
);

ALTER TABLE app.job_runs OWNER TO merchant_schema_owner;

COMMENT ON TABLE app.job_runs IS 'One row for each attempt to run a job. A row that is running is the claim of that run.';

COMMENT ON COLUMN app.job_runs.due IS 'The due time that the call was for; null for a call that was for none.';

COMMENT ON COLUMN app.job_runs.quarantined IS 'Items that failed in this run and are in app.job_quarantine.';

COMMENT ON COLUMN app.job_runs.more IS 'Out of time: it succeeded as far as it came, and the next run goes on.';

COMMENT ON COLUMN app.job_runs.backend_pid IS 'With statement_started_at, who holds the claim: alive while pg_stat_activity shows this pid active in this statement.';

COMMENT ON COLUMN app.job_runs.next_cursor IS 'Where the next batch goes on; the form is the batch function''s own.';

COMMENT ON COLUMN app.job_runs.retrying IS 'Nothing is due any more, and the items that were in quarantine before this run are tried again.';

CREATE FUNCTION app.live_claim(p_job_id bigint) RETURNS app.job_runs
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  v_claim app.job_runs;
begin
  select r.* into v_claim from app.job_runs as r where r.job_id = p_job_id and r.status = 'running';
  if not found then
    return null;
  end if;
  -- What pg_stat_activity showed is remembered until the transaction ends: a run that began since would look dead.
  perform pg_catalog.pg_stat_clear_snapshot();
  -- A cancelled session sits idle with the same query_start, so it must be active too. What we may not see counts as
  -- alive: a backend of another role (the owner of this function needs pg_read_all_stats), and one that reports nothing
  -- (track_activities off). A process of the server's own that got the pid later is in no database.
  perform
  from pg_catalog.pg_stat_activity as a
  where a.pid = v_claim.backend_pid
    and a.datname = pg_catalog.current_database()
    and (
      a.backend_type is null
      or a.state = 'disabled'
      or (a.state = 'active' and a.query_start = v_claim.statement_started_at)
    );
  if not found then
    return null;
  end if;
  return v_claim;
end;
$$;

ALTER FUNCTION app.live_claim(p_job_id bigint) OWNER TO merchant_schema_owner;

COMMENT ON FUNCTION app.live_claim(p_job_id bigint) IS 'The running run of a job whose statement is still under way; null when there is none, or when its session has gone.';

CREATE TABLE app.lots (
    lot_id bigint NOT NULL,
    account text NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    expired_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT lots_account_length CHECK (((length(account) >= 1) AND (length(account) <= 200)))
);

ALTER TABLE app.lots OWNER TO merchant_schema_owner;

COMMENT ON TABLE app.lots IS 'Credit that runs out together. What is left of it is the sum of its ledger entries.';

COMMENT ON COLUMN app.lots.expired_at IS 'When expire_lots took what was left of it. Null again once more was added since: the next run takes that too.';

CREATE FUNCTION app.lock_lot(p_lot_id bigint) RETURNS app.lots
    LANGUAGE plpgsql
    SET search_path TO ''
    SET lock_timeout TO '5s'
    AS $$
declare
  v_lot app.lots;
begin
  select l.* into v_lot from app.lots as l where l.lot_id = p_lot_id for update;
  if not found then
    raise exception 'there is no lot %', p_lot_id using errcode = 'MJ005';
  end if;
  return v_lot;
end;
$$;

ALTER FUNCTION app.lock_lot(p_lot_id bigint) OWNER TO merchant_schema_owner;

COMMENT ON FUNCTION app.lock_lot(p_lot_id bigint) IS 'The first thing that whoever moves money of a lot does, as the jobs do; an operation is locked after its lot. What the lot holds is summed in a later statement: in the same one the sum is of a snapshot taken before the lock was granted. Raises MJ005 for no such lot.';

CREATE FUNCTION app.open_operation(p_expires_at timestamp with time zone, p_lot_id bigint DEFAULT NULL::bigint, p_held_minor bigint DEFAULT NULL::bigint) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  v_operation_id bigint;
begin
  perform app.require_term(p_expires_at);
  if p_lot_id is null and p_held_minor is null then
    insert into app.operations (expires_at) values (p_expires_at) returning operation_id into v_operation_id;
    return v_operation_id;
  end if;
  perform app.require_amount(p_held_minor);
  -- Before the operation refers to it: first the lot.
  perform app.lock_lot(p_lot_id);
  insert into app.operations (lot_id, held_minor, expires_at)
  values (p_lot_id, p_held_minor, p_expires_at)
  returning operation_id into v_operation_id;
  perform app.debit_lot(p_lot_id, v_operation_id, 'hold', p_held_minor);
  return v_operation_id;
end;
$$;

ALTER FUNCTION app.open_operation(p_expires_at timestamp with time zone, p_lot_id bigint, p_held_minor bigint) OWNER TO merchant_schema_owner;

COMMENT ON FUNCTION app.open_operation(p_expires_at timestamp with time zone, p_lot_id bigint, p_held_minor bigint) IS 'Begins an operation that must be completed before p_expires_at, which may hold p_held_minor minor units of a lot meanwhile; returns its operation_id. Raises MJ021 for a time that is not in the future, and for what it holds as app.spend does.';

CREATE FUNCTION app.overdue_since(p_job text, p_now timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
declare
  v_job app.jobs;
  v_due timestamptz;
begin
  select j.* into v_job from app.jobs as j where j.name = p_job and j.enabled and j.due_schedule is not null;
  -- Of a zone that the server does not know nobody can say when it was due; app.job_health says that. To raise here would
  -- stop the merchant's other jobs too.
  if not found or not app.knows_zone(v_job.timezone) then
    return null;
  end if;
  -- The scheduler has five minutes to start it.
  v_due := app.last_due(p_job, p_now - interval '5 minutes');
  if v_due > v_job.due_from and not exists (
    select
    from app.job_runs as r
    where r.job_id = v_job.job_id
      and r.status = 'succeeded'
      and not r.more
      and r.started_at >= v_due
      -- What began later was before the clock was set back.
      and r.started_at <= p_now
  ) then
    return v_due;
  end if;
  return null;
end;
$$;

ALTER FUNCTION app.overdue_since(p_job text, p_now timestamp with time zone) OWNER TO merchant_schema_owner;

COMMENT ON FUNCTION app.overdue_since(p_job text, p_now timestamp with time zone) IS 'The due time that a job has missed: no complete success began at or after it. Null for a job that is not overdue, and for one whose time zone the server does not know.';

CREATE FUNCTION app.refund(p_entry_id bigint, p_amount_minor bigint) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  v_spend app.ledger_entries;
  v_entry_id bigint;
begin
  perform app.require_amount(p_amount_minor);
  -- Entries never change, so this one may be read before the lot is locked.
  select e.* into v_spend from app.ledger_entries as e where e.entry_id = p_entry_id and e.kind = 'spend';
  if not found then
    raise exception 'there is no spend entry %', p_entry_id using errcode = 'MJ023';
  end if;
  if p_amount_minor > -v_spend.amount_minor then
    raise exception 'entry % spent %, and % cannot be refunded', p_entry_id, -v_spend.amount_minor, p_amount_minor
      using errcode = 'MJ024';
  end if;
  perform app.lock_lot(v_spend.lot_id);
  if exists (select from app.ledger_entries as e where e.refunded_entry_id = p_entry_id) then
    raise exception 'entry % was refunded before', p_entry_id using errcode = 'MJ025';
  end if;
  insert into app.ledger_entries (lot_id, refunded_entry_id, kind, amount_minor)
  values (v_spend.lot_id, p_entry_id, 'refund', p_amount_minor)
  returning entry_id into v_entry_id;
  return v_entry_id;
end;
$$;

ALTER FUNCTION app.refund(p_entry_id bigint, p_amount_minor bigint) OWNER TO merchant_schema_owner;

COMMENT ON FUNCTION app.refund(p_entry_id bigint, p_amount_minor bigint) IS 'Gives back p_amount_minor minor units, or less than all, of a spend entry to its lot, once; returns the entry_id. What comes back to a lot that has expired is taken away by the next run of expire_lots. Raises MJ004 for an amount that is none, MJ023 for no such spend entry, MJ024 for more than was spent, MJ025 when it was refunded before.';

CREATE FUNCTION app.refuse_ledger_change() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  raise exception 'app.ledger_entries is append-only: % refused', tg_op
    using errcode = 'MJ003', hint = 'Correct a ledger by a further entry.';
end;
$$;

ALTER FUNCTION app.refuse_ledger_change() OWNER TO merchant_schema_owner;

COMMENT ON FUNCTION app.refuse_ledger_change() IS 'Keeps app.ledger_entries append-only.';

CREATE FUNCTION app.require_amount(p_amount_minor bigint) RETURNS void
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
    AS $$
begin
  if p_amount_minor is null or p_amount_minor <= 0 then
    raise exception '% is no amount: it is a whole number of minor units above 0', coalesce(p_amount_minor::text, 'null')
      using errcode = 'MJ004';
  end if;
end;
$$;

ALTER FUNCTION app.require_amount(p_amount_minor bigint) OWNER TO merchant_schema_owner;

COMMENT ON FUNCTION app.require_amount(p_amount_minor bigint) IS 'Raises MJ004 unless it is a whole number of minor units above 0.';

CREATE FUNCTION app.require_term(p_expires_at timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  if p_expires_at is null or p_expires_at <= pg_catalog.clock_timestamp() then
    raise exception '% is no time to expire at: it is in the future', coalesce(p_expires_at::text, 'null')
      using errcode = 'MJ021', hint = 'What never expires has the time infinity.';
  end if;
end;
$$;

ALTER FUNCTION app.require_term(p_expires_at timestamp with time zone) OWNER TO merchant_schema_owner;

COMMENT ON FUNCTION app.require_term(p_expires_at timestamp with time zone) IS 'Raises MJ021 unless it is a time after now.';

CREATE FUNCTION app.run_batch(p_run_id bigint) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET lock_timeout TO '5s'
    AS $$
declare
  v_run app.job_runs;
  v_job app.jobs;
  v_now timestamptz;
  v_page app.batch_result;
  v_items text[];
  v_affected bigint := 0;
  v_quarantined bigint := 0;
  v_over boolean;
  v_out_of_time boolean;
begin
  -- The lock first: while this waits for it, who took this session for dead may claim the job.
  perform pg_catalog.pg_advisory_xact_lock(7261, r.job_id::integer) from app.job_runs as r where r.run_id = p_run_id;
  select r.* into v_run
  from app.job_runs as r
  where r.run_id = p_run_id
    and r.status = 'running'
    and r.backend_pid = pg_catalog.pg_backend_pid()
    and r.statement_started_at = pg_catalog.statement_timestamp();
  if not found then
    raise exception 'run % is not a running run of this statement', p_run_id
      using errcode = 'MJ002', hint = 'Only the statement that began a run may go on with it: CALL app.run_job(...).';
  end if;
  select j.* into v_job from app.jobs as j where j.job_id = v_run.job_id;
  v_now := pg_catalog.clock_timestamp();

  if v_run.retrying then
    v_items := array(
      select q.item
      from app.job_quarantine as q
      where q.job_id = v_run.job_id
        and q.last_run_id <> p_run_id
      order by q.last_attempt_at, q.item
      limit v_job.batch_size
    );
  else
    v_page := app.call_batch(v_job, v_now, v_run.next_cursor, null);
    if v_page.done is not true and v_page.next_cursor is not distinct from v_run.next_cursor then
      raise exception '% is not done and gives the cursor that it was given: it would go on for ever', v_job.batch_function
        using errcode = 'MJ010', hint = 'Give the key of the last item as next_cursor, or done when nothing comes after.';
    end if;
    if pg_catalog.cardinality(v_page.items) > 0 then
      v_items := array(
        select i.item
        from pg_catalog.unnest(v_page.items) with ordinality as i (item, place)
        where not exists (
          select from app.job_quarantine as q where q.job_id = v_run.job_id and q.item = i.item
        )
        order by i.place
      );
    end if;
  end if;
  if pg_catalog.cardinality(v_items) > 0 then
    select d.affected, d.quarantined
    into v_affected, v_quarantined
    from app.do_items(v_job, p_run_id, v_now, v_items, v_run.retrying) as d;
  end if;

  v_over := (v_run.retrying or v_page.done)
    and not exists (
      select from app.job_quarantine as q where q.job_id = v_run.job_id and q.last_run_id <> p_run_id
    );
  v_out_of_time := not v_over
    and pg_catalog.clock_timestamp() >= v_run.started_at + pg_catalog.make_interval(secs => v_job.time_limit_seconds);
  update app.job_runs
  set affected_rows = affected_rows + v_affected,
    quarantined = quarantined + v_quarantined,
    batches = batches + 1,
    next_cursor = v_page.next_cursor,
    retrying = v_run.retrying or v_page.done,
    more = v_out_of_time,
    status = case when v_over or v_out_of_time then 'succeeded' else 'running' end,
    finished_at = case when v_over or v_out_of_time then pg_catalog.clock_timestamp() end
  where run_id = p_run_id
    and status = 'running';
  if not found then
    raise exception 'run % was ended by somebody else during its batch, which is undone', p_run_id using errcode = 'MJ002';
  end if;
  return v_over or v_out_of_time;
end;
$$;

ALTER FUNCTION app.run_batch(p_run_id bigint) OWNER TO merchant_schema_owner;

COMMENT ON FUNCTION app.run_batch(p_run_id bigint) IS 'Does one batch of the calling statement''s run and records it in the same transaction; true when the run is over.';

CREATE PROCEDURE app.run_job(IN p_job text, IN p_due timestamp with time zone DEFAULT NULL::timestamp with time zone)
    LANGUAGE plpgsql
    AS $$
declare
  v_sqlstate text;
  v_error text;
begin
  call app.run_once(p_job, p_due, v_sqlstate, v_error);
  if v_sqlstate is not null then
    raise exception '%', v_error using errcode = v_sqlstate;
  end if;
end;
$$;

ALTER PROCEDURE app.run_job(IN p_job text, IN p_due timestamp with time zone) OWNER TO merchant_schema_owner;

COMMENT ON PROCEDURE app.run_job(IN p_job text, IN p_due timestamp with time zone) IS 'Runs one job, for the due time p_due if that is still open, else at once. Raises MJ001 for an unknown job, else what the batch raised. Does nothing but leave a skipped row while another run of it is alive.';

CREATE PROCEDURE app.run_once(IN p_job text, IN p_due timestamp with time zone, INOUT p_sqlstate text, INOUT p_error text)
    LANGUAGE plpgsql
    AS $$
declare
  v_run_id bigint;
  v_over boolean;
  v_message text;
begin
  select a.run_id, a.error_sqlstate, a.error
  into v_run_id, p_sqlstate, p_error
  from app.attempt_run(p_job, p_due) as a;
  commit;
  while v_run_id is not null loop
    begin
      v_over := app.run_batch(v_run_id);
    exception when query_canceled or assert_failure or others then
      get stacked diagnostics p_sqlstate = returned_sqlstate, v_message = message_text;
      p_error := pg_catalog.format('job %s failed in run %s: %s', p_job, v_run_id, v_message);
    end;
    if p_sqlstate is not null then
      begin
        perform app.fail_run(v_run_id, p_sqlstate, v_message);
      exception when sqlstate 'MJ002' then
        -- Somebody else ended the run, and its row says so; a caller with other jobs to run goes on.
        null;
      end;
    end if;
    commit;
    exit when v_over or p_sqlstate is not null;
  end loop;
end;
$$;

ALTER PROCEDURE app.run_once(IN p_job text, IN p_due timestamp with time zone, INOUT p_sqlstate text, INOUT p_error text) OWNER TO merchant_schema_owner;

COMMENT ON PROCEDURE app.run_once(IN p_job text, IN p_due timestamp with time zone, INOUT p_sqlstate text, INOUT p_error text) IS 'Runs one job: claim, batches with COMMIT between, and a row in app.job_runs that survives an error. Gives the error back instead of raising it, for a caller that goes on with other jobs; both are null when there was none.';

CREATE PROCEDURE app.run_overdue()
    LANGUAGE plpgsql
    AS $$
declare
  v_tried text[] := array[]::text[];
  v_job text;
  v_due timestamptz;
  v_sqlstate text;
  v_error text;
  v_errors text[] := array[]::text[];
begin
  loop
    -- Asked again after each: a job that moves money and became due meanwhile is next.
    call app.find_overdue(v_tried, v_job, v_due);
    exit when v_job is null;
    v_tried := v_tried || v_job;
    call app.run_once(v_job, v_due, v_sqlstate, v_error);
    if v_sqlstate is not null then
      v_errors := v_errors || v_error;
    end if;
    -- Who cancels means all of it.
    exit when v_sqlstate = '57014';
  end loop;
  if pg_catalog.cardinality(v_errors) > 0 then
    raise exception '% of % overdue jobs failed: %',
      pg_catalog.cardinality(v_errors), pg_catalog.cardinality(v_tried), pg_catalog.array_to_string(v_errors, '; ')
      using errcode = case when v_sqlstate = '57014' then v_sqlstate else 'MJ012' end;
  end if;
end;
$$;

ALTER PROCEDURE app.run_overdue() OWNER TO merchant_schema_owner;

COMMENT ON PROCEDURE app.run_overdue() IS 'The entry catch_up of the crontab: runs every overdue job once, those that move money first, also after one failed, and raises MJ012 once at the end.';

CREATE FUNCTION app.running_since(p_job_id bigint) RETURNS timestamp with time zone
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  v_claim constant app.job_runs := app.live_claim(p_job_id);
begin
  return v_claim.started_at;
end;
$$;

ALTER FUNCTION app.running_since(p_job_id bigint) OWNER TO merchant_schema_owner;

COMMENT ON FUNCTION app.running_since(p_job_id bigint) IS 'When the run of a job began that is alive; null when there is none. Who may ask learns nothing else of it.';

CREATE FUNCTION app.scheduler_of_session() RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO ''
    AS $$
begin
  -- pg_cron calls its workers "pg_cron worker" (StartJobTask in pg_cron.c). The function below the view pg_stat_activity
  -- looks at one process instead of all.
  perform
  from pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid()) as a
  where a.backend_type like 'pg\_cron%';
  return case
    when found then 'pg_cron'
    when pg_catalog.current_setting('application_name') like 'merchant-jobs runner%' then 'runner'
    else 'manual'
  end;
end;
$$;

ALTER FUNCTION app.scheduler_of_session() OWNER TO merchant_schema_owner;

COMMENT ON FUNCTION app.scheduler_of_session() IS 'Who called: pg_cron, runner or manual.';

CREATE FUNCTION app.spend(p_lot_id bigint, p_amount_minor bigint) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  return app.debit_lot(p_lot_id, null, 'spend', p_amount_minor);
end;
$$;

ALTER FUNCTION app.spend(p_lot_id bigint, p_amount_minor bigint) OWNER TO merchant_schema_owner;

COMMENT ON FUNCTION app.spend(p_lot_id bigint, p_amount_minor bigint) IS 'Takes p_amount_minor minor units from a lot; returns the entry_id. Raises MJ004 for an amount that is none, MJ005 for no such lot, MJ006 when it has expired, MJ007 when less is left.';

CREATE FUNCTION app.touch_lot() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  -- What is added to a lot that has expired makes it due again, whoever writes the entry. An update that changes nothing
  -- counts too: a transaction that goes on from an older snapshot, and would not see the entry, fails at this lot (40001).
  update app.lots
  set expired_at = case when new.amount_minor < 0 then expired_at end
  where lot_id = new.lot_id;
  return new;
end;
$$;

ALTER FUNCTION app.touch_lot() OWNER TO merchant_schema_owner;

COMMENT ON FUNCTION app.touch_lot() IS 'Locks and updates the lot of a new entry: no expiry misses the entry, in whatever isolation level it runs.';

CREATE TABLE app.idempotency_keys (
    key text NOT NULL,
    state text DEFAULT 'in_progress'::text NOT NULL,
    response jsonb,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    finished_at timestamp with time zone,
    CONSTRAINT idempotency_keys_finished CHECK (((state = 'in_progress'::text) = (finished_at IS NULL))),
    CONSTRAINT idempotency_keys_key_length CHECK (((length(key) >= 1) AND (length(key) <= 200))),
    CONSTRAINT idempotency_keys_state_known CHECK ((state = ANY (ARRAY['in_progress'::text, 'succeeded'::text, 'failed'::text])))
);

ALTER TABLE app.idempotency_keys OWNER TO merchant_schema_owner;

COMMENT ON TABLE app.idempotency_keys IS 'One row for each request that a client may repeat, so that it takes effect once.';

CREATE TABLE app.job_quarantine (
    job_id bigint NOT NULL,
    item text NOT NULL,
    error text NOT NULL,
    error_sqlstate text NOT NULL,
    since timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    attempts bigint DEFAULT 1 NOT NULL,
    last_attempt_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    last_run_id bigint NOT NULL,
    CONSTRAINT job_quarantine_attempts_range CHECK ((attempts >= 1)),
    CONSTRAINT job_quarantine_error_length CHECK ((length(error) <= 8000)),
    CONSTRAINT job_quarantine_error_sqlstate_form CHECK ((error_sqlstate ~ '^[0-9A-Z]{5}$'::text)),
    CONSTRAINT job_quarantine_item_length CHECK (((length(item) >= 1) AND (length(item) <= 200)))
);

ALTER TABLE app.job_quarantine OWNER TO merchant_schema_owner;

COMMENT ON TABLE app.job_quarantine IS 'Items that a job could not do because of their own data. Each run passes them over and tries them last, once; one that goes well, or is no longer due, leaves.';

COMMENT ON COLUMN app.job_quarantine.item IS 'The key that the job''s batch function gave, for example a lot_id.';

COMMENT ON COLUMN app.job_quarantine.error IS 'Of the last attempt.';

COMMENT ON COLUMN app.job_quarantine.last_run_id IS 'The run that tried it last, which history_cleanup may have removed.';

CREATE VIEW app.job_health AS
 SELECT j.name AS job,
    j.enabled,
    j.schedule,
    j.timezone,
    success.started_at AS last_success_at,
    last.status AS last_status,
    "left"(last.error, 500) AS last_error,
    ( SELECT count(*) AS count
           FROM app.job_runs r
          WHERE ((r.job_id = j.job_id) AND (r.status = ANY (ARRAY['failed'::text, 'abandoned'::text])) AND (r.run_id > COALESCE(ended_well.run_id, (0)::bigint)))) AS failures_in_row,
    app.running_since(j.job_id) AS running_since,
    app.overdue_since(j.name, clock_timestamp()) AS overdue_since,
    COALESCE(ended_well.more, false) AS behind,
    ( SELECT count(*) AS count
           FROM app.job_quarantine q
          WHERE (q.job_id = j.job_id)) AS quarantined,
    (NOT app.knows_zone(j.timezone)) AS zone_unknown
   FROM (((app.jobs j
     LEFT JOIN LATERAL ( SELECT r.started_at
           FROM app.job_runs r
          WHERE ((r.job_id = j.job_id) AND (r.status = 'succeeded'::text) AND (NOT r.more) AND (r.started_at <= clock_timestamp()))
          ORDER BY r.started_at DESC
         LIMIT 1) success ON (true))
     LEFT JOIN LATERAL ( SELECT r.run_id,
            r.more
           FROM app.job_runs r
          WHERE ((r.job_id = j.job_id) AND (r.status = 'succeeded'::text) AND (r.started_at <= clock_timestamp()))
          ORDER BY r.started_at DESC, r.run_id DESC
         LIMIT 1) ended_well ON (true))
     LEFT JOIN LATERAL ( SELECT r.status,
            r.error
           FROM app.job_runs r
          WHERE ((r.job_id = j.job_id) AND (r.status <> 'skipped'::text) AND (r.started_at <= clock_timestamp()))
          ORDER BY r.started_at DESC, r.run_id DESC
         LIMIT 1) last ON (true));

ALTER TABLE app.job_health OWNER TO merchant_schema_owner;

COMMENT ON VIEW app.job_health IS 'One row a job: whether it does its work.';

COMMENT ON COLUMN app.job_health.last_success_at IS 'When the newest run began that succeeded and left nothing over: what a due time is compared with.';

COMMENT ON COLUMN app.job_health.last_status IS 'Of the newest run that was not skipped.';

COMMENT ON COLUMN app.job_health.last_error IS 'Its first 500 characters; app.recent_runs has the whole.';

COMMENT ON COLUMN app.job_health.failures_in_row IS 'Runs that failed or were abandoned since the last that succeeded.';

COMMENT ON COLUMN app.job_health.running_since IS 'When the run began that is under way now.';

COMMENT ON COLUMN app.job_health.overdue_since IS 'The due time that was missed; null when none was, and when nobody can say.';

COMMENT ON COLUMN app.job_health.behind IS 'The last run that succeeded was out of time and left work over.';

COMMENT ON COLUMN app.job_health.quarantined IS 'Items in app.job_quarantine.';

COMMENT ON COLUMN app.job_health.zone_unknown IS 'The server does not know the time zone, so that nobody can say when the job is due.';

ALTER TABLE app.job_runs ALTER COLUMN run_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME app.job_runs_run_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE app.jobs ALTER COLUMN job_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME app.jobs_job_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE app.ledger_entries (
    entry_id bigint NOT NULL,
    lot_id bigint NOT NULL,
    operation_id bigint,
    refunded_entry_id bigint,
    kind text NOT NULL,
    amount_minor bigint NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT ledger_entries_amount_minor_sign CHECK (((amount_minor <> 0) AND ((amount_minor < 0) = (kind = ANY (ARRAY['spend'::text, 'hold'::text, 'expiry'::text]))))),
    CONSTRAINT ledger_entries_entry_of_refund CHECK (((kind = 'refund'::text) = (refunded_entry_id IS NOT NULL))),
    CONSTRAINT ledger_entries_kind_known CHECK ((kind = ANY (ARRAY['grant'::text, 'spend'::text, 'refund'::text, 'hold'::text, 'release'::text, 'expiry'::text]))),
    CONSTRAINT ledger_entries_operation_of_hold CHECK (((kind <> ALL (ARRAY['hold'::text, 'release'::text])) OR (operation_id IS NOT NULL)))
);

ALTER TABLE app.ledger_entries OWNER TO merchant_schema_owner;

COMMENT ON TABLE app.ledger_entries IS 'Every change of a lot, for ever: rows are added, never changed or removed.';

COMMENT ON COLUMN app.ledger_entries.refunded_entry_id IS 'The spend entry that a refund gives back, whole or in part.';

COMMENT ON COLUMN app.ledger_entries.amount_minor IS 'Minor units; negative takes from the lot.';

ALTER TABLE app.ledger_entries ALTER COLUMN entry_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME app.ledger_entries_entry_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE app.lots ALTER COLUMN lot_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME app.lots_lot_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE app.operations ALTER COLUMN operation_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME app.operations_operation_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW app.recent_runs AS
 SELECT r.run_id,
    j.name AS job,
    r.scheduler,
    r.status,
    r.due,
    r.started_at,
    r.finished_at,
    (COALESCE(r.finished_at, clock_timestamp()) - r.started_at) AS duration,
    r.affected_rows,
    r.batches,
    r.quarantined,
    r.more,
    r.error,
    r.error_sqlstate
   FROM (app.job_runs r
     JOIN app.jobs j ON ((j.job_id = r.job_id)))
  WHERE (r.started_at > (clock_timestamp() - '7 days'::interval))
  ORDER BY r.started_at DESC, r.run_id DESC;

ALTER TABLE app.recent_runs OWNER TO merchant_schema_owner;

COMMENT ON VIEW app.recent_runs IS 'The runs of the last seven days, the newest first.';

COMMENT ON COLUMN app.recent_runs.duration IS 'Until it ended, or until now.';

CREATE VIEW app.stuck_idempotency_keys AS
 SELECT k.key,
    k.created_at
   FROM app.idempotency_keys k
  WHERE ((k.state = 'in_progress'::text) AND (k.created_at <= (clock_timestamp() - '24:00:00'::interval)));

ALTER TABLE app.stuck_idempotency_keys OWNER TO merchant_schema_owner;

COMMENT ON VIEW app.stuck_idempotency_keys IS 'Requests in progress for more than a day. No job ends them: whether one took effect is for a person to find out, who then calls app.finish_key.';

CREATE TABLE merchant_jobs.applied_files (
    file text NOT NULL,
    kind text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT applied_files_file_length CHECK (((length(file) >= 1) AND (length(file) <= 200))),
    CONSTRAINT applied_files_kind_known CHECK ((kind = ANY (ARRAY['migration'::text, 'routine'::text]))),
    CONSTRAINT applied_files_sha256_form CHECK ((sha256 ~ '^[0-9a-f]{64}$'::text))
);

ALTER TABLE merchant_jobs.applied_files OWNER TO merchant_schema_owner;

COMMENT ON TABLE merchant_jobs.applied_files IS 'One row for each SQL file that was applied: a migration once and for ever, a routine again whenever its text changed.';

COMMENT ON COLUMN merchant_jobs.applied_files.sha256 IS 'Of the file''s text as applied. A migration whose file no longer has this hash stops the run.';

CREATE TABLE merchant_jobs.expected_objects (
    object text NOT NULL,
    parent text,
    definition text NOT NULL,
    restore text,
    remove text
);

ALTER TABLE merchant_jobs.expected_objects OWNER TO merchant_schema_owner;

COMMENT ON TABLE merchant_jobs.expected_objects IS 'How each of our objects looked right after the last apply, as sql/objects/ describes it. What differs now is drift.';

COMMENT ON COLUMN merchant_jobs.expected_objects.parent IS 'What it is a part of: a part that nobody expected, of a parent of which others are expected, is drift too.';

COMMENT ON COLUMN merchant_jobs.expected_objects.restore IS 'The statements that make it as it is; null where data would be lost.';

COMMENT ON COLUMN merchant_jobs.expected_objects.remove IS 'The statement that takes it away; null where data would be lost.';

ALTER TABLE ONLY app.idempotency_keys
    ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (key);

ALTER TABLE ONLY app.job_quarantine
    ADD CONSTRAINT job_quarantine_pkey PRIMARY KEY (job_id, item);

ALTER TABLE ONLY app.job_runs
    ADD CONSTRAINT job_runs_pkey PRIMARY KEY (run_id);

ALTER TABLE ONLY app.jobs
    ADD CONSTRAINT jobs_name_key UNIQUE (name);

ALTER TABLE ONLY app.jobs
    ADD CONSTRAINT jobs_pkey PRIMARY KEY (job_id);

ALTER TABLE ONLY app.ledger_entries
    ADD CONSTRAINT ledger_entries_pkey PRIMARY KEY (entry_id);

ALTER TABLE ONLY app.lots
    ADD CONSTRAINT lots_pkey PRIMARY KEY (lot_id);

ALTER TABLE ONLY app.operations
    ADD CONSTRAINT operations_pkey PRIMARY KEY (operation_id);

ALTER TABLE ONLY merchant_jobs.applied_files
    ADD CONSTRAINT applied_files_pkey PRIMARY KEY (file);

ALTER TABLE ONLY merchant_jobs.expected_objects
    ADD CONSTRAINT expected_objects_pkey PRIMARY KEY (object);

CREATE INDEX idempotency_keys_finished ON app.idempotency_keys USING btree (finished_at, key) WHERE (state <> 'in_progress'::text);

CREATE INDEX idempotency_keys_in_progress ON app.idempotency_keys USING btree (created_at, key) WHERE (state = 'in_progress'::text);

CREATE INDEX job_runs_by_job ON app.job_runs USING btree (job_id, started_at DESC, run_id DESC);

CREATE INDEX job_runs_by_start ON app.job_runs USING btree (started_at, run_id);

CREATE INDEX job_runs_complete ON app.job_runs USING btree (job_id, started_at DESC) WHERE ((status = 'succeeded'::text) AND (NOT more));

CREATE UNIQUE INDEX job_runs_one_running ON app.job_runs USING btree (job_id) WHERE (status = 'running'::text);

CREATE UNIQUE INDEX job_runs_one_skipped ON app.job_runs USING btree (job_id, due) WHERE (status = 'skipped'::text);

CREATE INDEX ledger_entries_by_lot ON app.ledger_entries USING btree (lot_id) INCLUDE (amount_minor);

CREATE UNIQUE INDEX ledger_entries_once_an_operation ON app.ledger_entries USING btree (operation_id, kind) WHERE (operation_id IS NOT NULL);

CREATE UNIQUE INDEX ledger_entries_one_refund ON app.ledger_entries USING btree (refunded_entry_id) WHERE (refunded_entry_id IS NOT NULL);

CREATE INDEX lots_due ON app.lots USING btree (expires_at, lot_id) WHERE (expired_at IS NULL);

CREATE INDEX operations_due ON app.operations USING btree (expires_at, operation_id) WHERE (state = 'open'::text);

CREATE TRIGGER ledger_entries_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON app.ledger_entries FOR EACH STATEMENT EXECUTE FUNCTION app.refuse_ledger_change();

CREATE TRIGGER ledger_entries_touch_lot BEFORE INSERT ON app.ledger_entries FOR EACH ROW WHEN ((new.kind <> 'expiry'::text)) EXECUTE FUNCTION app.touch_lot();

ALTER TABLE ONLY app.job_quarantine
    ADD CONSTRAINT job_quarantine_job_id_fkey FOREIGN KEY (job_id) REFERENCES app.jobs(job_id);

ALTER TABLE ONLY app.job_runs
    ADD CONSTRAINT job_runs_job_id_fkey FOREIGN KEY (job_id) REFERENCES app.jobs(job_id);

ALTER TABLE ONLY app.ledger_entries
    ADD CONSTRAINT ledger_entries_lot_id_fkey FOREIGN KEY (lot_id) REFERENCES app.lots(lot_id);

ALTER TABLE ONLY app.ledger_entries
    ADD CONSTRAINT ledger_entries_operation_id_fkey FOREIGN KEY (operation_id) REFERENCES app.operations(operation_id);

ALTER TABLE ONLY app.ledger_entries
    ADD CONSTRAINT ledger_entries_refunded_entry_id_fkey FOREIGN KEY (refunded_entry_id) REFERENCES app.ledger_entries(entry_id);

ALTER TABLE ONLY app.operations
    ADD CONSTRAINT operations_lot_id_fkey FOREIGN KEY (lot_id) REFERENCES app.lots(lot_id);

GRANT USAGE ON SCHEMA app TO merchant_schema_app;
GRANT USAGE ON SCHEMA app TO merchant_schema_job;
GRANT USAGE ON SCHEMA app TO merchant_jobs_runner;

REVOKE ALL ON FUNCTION app.attempt_run(p_job text, p_due timestamp with time zone, OUT run_id bigint, OUT error_sqlstate text, OUT error text) FROM PUBLIC;
GRANT ALL ON FUNCTION app.attempt_run(p_job text, p_due timestamp with time zone, OUT run_id bigint, OUT error_sqlstate text, OUT error text) TO merchant_schema_job;
GRANT ALL ON FUNCTION app.attempt_run(p_job text, p_due timestamp with time zone, OUT run_id bigint, OUT error_sqlstate text, OUT error text) TO merchant_jobs_runner;

REVOKE ALL ON FUNCTION app.begin_key(p_key text, OUT begun boolean, OUT state text, OUT response jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION app.begin_key(p_key text, OUT begun boolean, OUT state text, OUT response jsonb) TO merchant_schema_app;

REVOKE ALL ON FUNCTION app.begin_run(p_job text, p_due timestamp with time zone) FROM PUBLIC;

GRANT SELECT ON TABLE app.jobs TO merchant_schema_app;
GRANT SELECT ON TABLE app.jobs TO merchant_jobs_runner;

REVOKE ALL ON FUNCTION app.call_batch(p_job app.jobs, p_now timestamp with time zone, p_cursor jsonb, p_items text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.cancel_operation(p_operation_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION app.cancel_operation(p_operation_id bigint) TO merchant_schema_app;

REVOKE ALL ON PROCEDURE app.cleanup_expired_operations() FROM PUBLIC;
GRANT ALL ON PROCEDURE app.cleanup_expired_operations() TO merchant_schema_job;

REVOKE ALL ON FUNCTION app.cleanup_expired_operations_batch(p_now timestamp with time zone, p_limit bigint, p_cursor jsonb, p_items text[], p_settings jsonb) FROM PUBLIC;

REVOKE ALL ON PROCEDURE app.cleanup_history() FROM PUBLIC;
GRANT ALL ON PROCEDURE app.cleanup_history() TO merchant_schema_job;

REVOKE ALL ON FUNCTION app.cleanup_history_batch(p_now timestamp with time zone, p_limit bigint, p_cursor jsonb, p_items text[], p_settings jsonb) FROM PUBLIC;

REVOKE ALL ON PROCEDURE app.cleanup_idempotency() FROM PUBLIC;
GRANT ALL ON PROCEDURE app.cleanup_idempotency() TO merchant_schema_job;

REVOKE ALL ON FUNCTION app.cleanup_idempotency_batch(p_now timestamp with time zone, p_limit bigint, p_cursor jsonb, p_items text[], p_settings jsonb) FROM PUBLIC;

GRANT SELECT ON TABLE app.operations TO merchant_schema_app;

REVOKE ALL ON FUNCTION app.close_operation(p_operation_id bigint, p_state text) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.complete_operation(p_operation_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION app.complete_operation(p_operation_id bigint) TO merchant_schema_app;

REVOKE ALL ON FUNCTION app.credit_lot(p_lot_id bigint, p_amount_minor bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION app.credit_lot(p_lot_id bigint, p_amount_minor bigint) TO merchant_schema_app;

REVOKE ALL ON FUNCTION app.debit_lot(p_lot_id bigint, p_operation_id bigint, p_kind text, p_amount_minor bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.do_items(p_job app.jobs, p_run_id bigint, p_now timestamp with time zone, p_items text[], p_one_by_one boolean, OUT affected bigint, OUT quarantined bigint) FROM PUBLIC;

REVOKE ALL ON PROCEDURE app.expire_lots() FROM PUBLIC;
GRANT ALL ON PROCEDURE app.expire_lots() TO merchant_schema_job;

REVOKE ALL ON FUNCTION app.expire_lots_batch(p_now timestamp with time zone, p_limit bigint, p_cursor jsonb, p_items text[], p_settings jsonb) FROM PUBLIC;

REVOKE ALL ON PROCEDURE app.fail_claim(IN p_job text, IN p_due timestamp with time zone, IN p_sqlstate text, IN p_error text) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.fail_run(p_run_id bigint, p_sqlstate text, p_error text) FROM PUBLIC;
GRANT ALL ON FUNCTION app.fail_run(p_run_id bigint, p_sqlstate text, p_error text) TO merchant_schema_job;
GRANT ALL ON FUNCTION app.fail_run(p_run_id bigint, p_sqlstate text, p_error text) TO merchant_jobs_runner;

REVOKE ALL ON PROCEDURE app.find_overdue(IN p_tried text[], INOUT p_job text, INOUT p_due timestamp with time zone) FROM PUBLIC;
GRANT ALL ON PROCEDURE app.find_overdue(IN p_tried text[], INOUT p_job text, INOUT p_due timestamp with time zone) TO merchant_schema_job;
GRANT ALL ON PROCEDURE app.find_overdue(IN p_tried text[], INOUT p_job text, INOUT p_due timestamp with time zone) TO merchant_jobs_runner;

REVOKE ALL ON FUNCTION app.finish_key(p_key text, p_state text, p_response jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION app.finish_key(p_key text, p_state text, p_response jsonb) TO merchant_schema_app;

REVOKE ALL ON FUNCTION app.grant_lot(p_account text, p_expires_at timestamp with time zone, p_amount_minor bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION app.grant_lot(p_account text, p_expires_at timestamp with time zone, p_amount_minor bigint) TO merchant_schema_app;

REVOKE ALL ON FUNCTION app.is_open(p_job_id bigint, p_due timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.knows_zone(p_timezone text) FROM PUBLIC;
GRANT ALL ON FUNCTION app.knows_zone(p_timezone text) TO merchant_schema_app;
GRANT ALL ON FUNCTION app.knows_zone(p_timezone text) TO merchant_jobs_runner;

REVOKE ALL ON FUNCTION app.last_due(p_job text, p_now timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION app.last_due(p_job text, p_now timestamp with time zone) TO merchant_schema_app;
GRANT ALL ON FUNCTION app.last_due(p_job text, p_now timestamp with time zone) TO merchant_jobs_runner;

REVOKE ALL ON FUNCTION app.last_due_of(p_due_schedule jsonb, p_timezone text, p_now timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION app.last_due_of(p_due_schedule jsonb, p_timezone text, p_now timestamp with time zone) TO merchant_schema_app;
GRANT ALL ON FUNCTION app.last_due_of(p_due_schedule jsonb, p_timezone text, p_now timestamp with time zone) TO merchant_jobs_runner;

GRANT SELECT ON TABLE app.job_runs TO merchant_schema_app;

GRANT SELECT(run_id) ON TABLE app.job_runs TO merchant_jobs_runner;

GRANT SELECT(job_id) ON TABLE app.job_runs TO merchant_jobs_runner;

GRANT SELECT(status) ON TABLE app.job_runs TO merchant_jobs_runner;

GRANT SELECT(started_at) ON TABLE app.job_runs TO merchant_jobs_runner;

GRANT SELECT(finished_at) ON TABLE app.job_runs TO merchant_jobs_runner;

GRANT SELECT(affected_rows) ON TABLE app.job_runs TO merchant_jobs_runner;

GRANT SELECT(quarantined) ON TABLE app.job_runs TO merchant_jobs_runner;

GRANT SELECT(more) ON TABLE app.job_runs TO merchant_jobs_runner;

GRANT SELECT(backend_pid) ON TABLE app.job_runs TO merchant_jobs_runner;

REVOKE ALL ON FUNCTION app.live_claim(p_job_id bigint) FROM PUBLIC;

GRANT SELECT ON TABLE app.lots TO merchant_schema_app;

REVOKE ALL ON FUNCTION app.lock_lot(p_lot_id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.open_operation(p_expires_at timestamp with time zone, p_lot_id bigint, p_held_minor bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION app.open_operation(p_expires_at timestamp with time zone, p_lot_id bigint, p_held_minor bigint) TO merchant_schema_app;

REVOKE ALL ON FUNCTION app.overdue_since(p_job text, p_now timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION app.overdue_since(p_job text, p_now timestamp with time zone) TO merchant_schema_app;
GRANT ALL ON FUNCTION app.overdue_since(p_job text, p_now timestamp with time zone) TO merchant_jobs_runner;

REVOKE ALL ON FUNCTION app.refund(p_entry_id bigint, p_amount_minor bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION app.refund(p_entry_id bigint, p_amount_minor bigint) TO merchant_schema_app;

REVOKE ALL ON FUNCTION app.refuse_ledger_change() FROM PUBLIC;

REVOKE ALL ON FUNCTION app.require_amount(p_amount_minor bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.require_term(p_expires_at timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.run_batch(p_run_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION app.run_batch(p_run_id bigint) TO merchant_schema_job;
GRANT ALL ON FUNCTION app.run_batch(p_run_id bigint) TO merchant_jobs_runner;

REVOKE ALL ON PROCEDURE app.run_job(IN p_job text, IN p_due timestamp with time zone) FROM PUBLIC;
GRANT ALL ON PROCEDURE app.run_job(IN p_job text, IN p_due timestamp with time zone) TO merchant_schema_job;
GRANT ALL ON PROCEDURE app.run_job(IN p_job text, IN p_due timestamp with time zone) TO merchant_jobs_runner;

REVOKE ALL ON PROCEDURE app.run_once(IN p_job text, IN p_due timestamp with time zone, INOUT p_sqlstate text, INOUT p_error text) FROM PUBLIC;
GRANT ALL ON PROCEDURE app.run_once(IN p_job text, IN p_due timestamp with time zone, INOUT p_sqlstate text, INOUT p_error text) TO merchant_schema_job;
GRANT ALL ON PROCEDURE app.run_once(IN p_job text, IN p_due timestamp with time zone, INOUT p_sqlstate text, INOUT p_error text) TO merchant_jobs_runner;

REVOKE ALL ON PROCEDURE app.run_overdue() FROM PUBLIC;
GRANT ALL ON PROCEDURE app.run_overdue() TO merchant_schema_job;
GRANT ALL ON PROCEDURE app.run_overdue() TO merchant_jobs_runner;

REVOKE ALL ON FUNCTION app.running_since(p_job_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION app.running_since(p_job_id bigint) TO merchant_schema_app;
GRANT ALL ON FUNCTION app.running_since(p_job_id bigint) TO merchant_jobs_runner;

REVOKE ALL ON FUNCTION app.scheduler_of_session() FROM PUBLIC;

REVOKE ALL ON FUNCTION app.spend(p_lot_id bigint, p_amount_minor bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION app.spend(p_lot_id bigint, p_amount_minor bigint) TO merchant_schema_app;

REVOKE ALL ON FUNCTION app.touch_lot() FROM PUBLIC;

GRANT SELECT ON TABLE app.idempotency_keys TO merchant_schema_app;

GRANT SELECT ON TABLE app.job_quarantine TO merchant_schema_app;

GRANT SELECT(job_id) ON TABLE app.job_quarantine TO merchant_jobs_runner;

GRANT SELECT(since) ON TABLE app.job_quarantine TO merchant_jobs_runner;

GRANT SELECT ON TABLE app.job_health TO merchant_schema_app;
GRANT SELECT ON TABLE app.job_health TO merchant_jobs_runner;

GRANT SELECT ON TABLE app.ledger_entries TO merchant_schema_app;

GRANT SELECT ON TABLE app.recent_runs TO merchant_schema_app;

GRANT SELECT ON TABLE app.stuck_idempotency_keys TO merchant_schema_app;

ALTER DEFAULT PRIVILEGES FOR ROLE merchant_schema_owner REVOKE ALL ON FUNCTIONS  FROM PUBLIC;
