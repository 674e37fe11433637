-- The engine of all jobs: what jobs there are, one row for every attempt to run one, and the items that none of them
-- could do. It knows no table of the ledger.

create schema if not exists app;

comment on schema app is 'The merchant''s application: its ledger, and the engine that runs background jobs over it.';

create table app.jobs (
  job_id bigint generated always as identity,
  name text not null,
  batch_function text not null,
  batch_size bigint not null,
  time_limit_seconds bigint not null,
  moves_money boolean not null default false,
  schedule text,
  due_schedule jsonb,
  timezone text not null default 'GMT',
  enabled boolean not null default true,
  due_from timestamptz not null default pg_catalog.clock_timestamp(),
  settings jsonb not null default '{}',
  constraint jobs_pkey primary key (job_id),
  constraint jobs_name_key unique (name),
  constraint jobs_name_form check (name ~ '^[a-z][a-z0-9_]{0,30}$'),
  constraint jobs_batch_function_form check (batch_function ~ '^[a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*$'),
  constraint jobs_batch_size_range check (batch_size between 1 and 100000),
  constraint jobs_time_limit_seconds_range check (time_limit_seconds between 1 and 86400),
  constraint jobs_schedule_length check (pg_catalog.length(schedule) between 1 and 200),
  constraint jobs_schedule_parsed check ((schedule is null) = (due_schedule is null)),
  constraint jobs_due_schedule_form check (pg_catalog.jsonb_typeof(due_schedule) = 'object'),
  constraint jobs_timezone_length check (pg_catalog.length(timezone) between 1 and 100),
  constraint jobs_settings_form check (pg_catalog.jsonb_typeof(settings) = 'object')
);

comment on table app.jobs is 'The jobs that may run here, written by converge from the catalogue (spec/jobs.ts).';
comment on column app.jobs.batch_function is
  'schema.name of a function (p_now timestamptz, p_limit bigint, p_cursor jsonb, p_items text[], p_settings jsonb) '
  'returns app.batch_result.';
comment on column app.jobs.batch_size is 'Items that one batch, which is one transaction, may change.';
comment on column app.jobs.time_limit_seconds is 'A run that is older starts no further batch; the next run goes on.';
comment on column app.jobs.moves_money is 'Catch-up runs it before jobs that do not.';
comment on column app.jobs.schedule is
  'When it is due, in the time zone of timezone; null for a job that is run by hand alone.';
comment on column app.jobs.due_schedule is 'The schedule as parsed (spec/schedule.ts): what app.last_due computes with.';
comment on column app.jobs.enabled is 'False for a job that is switched off, and for all jobs of a suspended merchant.';
comment on column app.jobs.due_from is
  'When schedule, time zone or enabled changed last: no time before it counts as missed.';
comment on column app.jobs.settings is 'What the batch function gets as p_settings, for example {"retentionDays": 7}.';

create type app.batch_result as (items text[], next_cursor jsonb, done boolean, affected bigint);

comment on type app.batch_result is
  'What a batch function answers. Asked what is due: items, their keys; next_cursor, where the next page goes on; done, '
  'that nothing comes after these. Told to do items: affected, how many of them it did.';

create table app.job_runs (
  run_id bigint generated always as identity,
  job_id bigint not null,
  scheduler text not null,
  status text not null,
  due timestamptz,
  started_at timestamptz not null default pg_catalog.clock_timestamp(),
  finished_at timestamptz,
  affected_rows bigint not null default 0,
  batches bigint not null default 0,
  quarantined bigint not null default 0,
  more boolean not null default false,
  error text,
  error_sqlstate text,
  -- squawk-ignore prefer-bigint-over-int
  backend_pid integer not null default pg_catalog.pg_backend_pid(),
  statement_started_at timestamptz not null default pg_catalog.statement_timestamp(),
  next_cursor jsonb,
  retrying boolean not null default false,
  constraint job_runs_pkey primary key (run_id),
  constraint job_runs_job_id_fkey foreign key (job_id) references app.jobs (job_id),
  constraint job_runs_scheduler_known check (scheduler in ('pg_cron', 'runner', 'manual')),
  constraint job_runs_status_known check (status in ('running', 'succeeded', 'failed', 'skipped', 'abandoned')),
  constraint job_runs_finished check ((status = 'running') = (finished_at is null)),
  constraint job_runs_more_succeeded check (status = 'succeeded' or not more),
  constraint job_runs_error_length check (pg_catalog.length(error) <= 8000),
  constraint job_runs_error_sqlstate_form check (error_sqlstate ~ '^[0-9A-Z]{5}$')
);

comment on table app.job_runs is 'One row for each attempt to run a job. A row that is running is the claim of that run.';
comment on column app.job_runs.due is 'The due time that the call was for; null for a call that was for none.';
comment on column app.job_runs.quarantined is 'Items that failed in this run and are in app.job_quarantine.';
comment on column app.job_runs.more is 'Out of time: it succeeded as far as it came, and the next run goes on.';
comment on column app.job_runs.backend_pid is
  'With statement_started_at, who holds the claim: alive while pg_stat_activity shows this pid active in this statement.';
comment on column app.job_runs.next_cursor is 'Where the next batch goes on; the form is the batch function''s own.';
comment on column app.job_runs.retrying is
  'Nothing is due any more, and the items that were in quarantine before this run are tried again.';

-- The claim: there is never a second running row of one job.
create unique index job_runs_one_running on app.job_runs (job_id) where status = 'running';
create unique index job_runs_one_skipped on app.job_runs (job_id, due) where status = 'skipped';
create index job_runs_by_job on app.job_runs (job_id, started_at desc, run_id desc);
create index job_runs_complete on app.job_runs (job_id, started_at desc) where status = 'succeeded' and not more;
-- history_cleanup deletes in this order.
create index job_runs_by_start on app.job_runs (started_at, run_id);

create table app.job_quarantine (
  job_id bigint not null,
  item text not null,
  error text not null,
  error_sqlstate text not null,
  since timestamptz not null default pg_catalog.clock_timestamp(),
  attempts bigint not null default 1,
  last_attempt_at timestamptz not null default pg_catalog.clock_timestamp(),
  last_run_id bigint not null,
  constraint job_quarantine_pkey primary key (job_id, item),
  constraint job_quarantine_job_id_fkey foreign key (job_id) references app.jobs (job_id),
  constraint job_quarantine_item_length check (pg_catalog.length(item) between 1 and 200),
  constraint job_quarantine_error_length check (pg_catalog.length(error) <= 8000),
  constraint job_quarantine_error_sqlstate_form check (error_sqlstate ~ '^[0-9A-Z]{5}$'),
  constraint job_quarantine_attempts_range check (attempts >= 1)
);

comment on table app.job_quarantine is
  'Items that a job could not do because of their own data. Each run passes them over and tries them last, once; one '
  'that goes well, or is no longer due, leaves.';
comment on column app.job_quarantine.item is 'The key that the job''s batch function gave, for example a lot_id.';
comment on column app.job_quarantine.error is 'Of the last attempt.';
comment on column app.job_quarantine.last_run_id is 'The run that tried it last, which history_cleanup may have removed.';
