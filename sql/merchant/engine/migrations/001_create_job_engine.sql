-- The engine of all jobs: what jobs there are, and one row for every attempt to run one. It knows no table of the ledger.

create schema if not exists app;

comment on schema app is 'The merchant''s application: its ledger, and the engine that runs background jobs over it.';

create table app.jobs (
  job_id bigint generated always as identity,
  name text not null,
  batch_function text not null,
  batch_size bigint not null,
  time_limit_seconds bigint not null,
  constraint jobs_pkey primary key (job_id),
  constraint jobs_name_key unique (name),
  constraint jobs_name_form check (name ~ '^[a-z][a-z0-9_]{0,30}$'),
  constraint jobs_batch_function_form check (batch_function ~ '^[a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*$'),
  constraint jobs_batch_size_range check (batch_size between 1 and 100000),
  constraint jobs_time_limit_seconds_range check (time_limit_seconds between 1 and 86400)
);

comment on table app.jobs is 'The jobs that may run here, written by converge from the catalogue (spec/jobs.ts).';
comment on column app.jobs.batch_function is
  'schema.name of a function (p_now timestamptz, p_limit bigint, p_cursor jsonb) returns app.batch_result.';
comment on column app.jobs.batch_size is 'Items that one batch, which is one transaction, may change.';
comment on column app.jobs.time_limit_seconds is 'A run that is older starts no further batch; the next run goes on.';

create type app.batch_result as (affected bigint, next_cursor jsonb, done boolean);

comment on type app.batch_result is
  'What a batch did: items changed, where the next batch goes on, and whether nothing is left to do.';

create table app.job_runs (
  run_id bigint generated always as identity,
  job_id bigint not null,
  scheduler text not null,
  status text not null,
  started_at timestamptz not null default pg_catalog.clock_timestamp(),
  finished_at timestamptz,
  affected_rows bigint not null default 0,
  batches bigint not null default 0,
  more boolean not null default false,
  error text,
  error_sqlstate text,
  -- squawk-ignore prefer-bigint-over-int
  backend_pid integer not null default pg_catalog.pg_backend_pid(),
  statement_started_at timestamptz not null default pg_catalog.statement_timestamp(),
  next_cursor jsonb,
  constraint job_runs_pkey primary key (run_id),
  constraint job_runs_job_id_fkey foreign key (job_id) references app.jobs (job_id),
  constraint job_runs_scheduler_known check (scheduler in ('pg_cron', 'runner', 'manual')),
  constraint job_runs_status_known check (status in ('running', 'succeeded', 'failed', 'skipped', 'abandoned')),
  constraint job_runs_finished check ((status = 'running') = (finished_at is null)),
  constraint job_runs_error_length check (pg_catalog.length(error) <= 8000),
  constraint job_runs_error_sqlstate_form check (error_sqlstate ~ '^[0-9A-Z]{5}$')
);

comment on table app.job_runs is 'One row for each attempt to run a job. A row that is running is the claim of that run.';
comment on column app.job_runs.more is 'Out of time: it succeeded as far as it came, and the next run goes on.';
comment on column app.job_runs.backend_pid is
  'With statement_started_at, who holds the claim: alive while pg_stat_activity shows this pid active in this statement.';
comment on column app.job_runs.next_cursor is 'Where the next batch goes on; the form is the batch function''s own.';

-- The claim: there is never a second running row of one job.
create unique index job_runs_one_running on app.job_runs (job_id) where status = 'running';
create index job_runs_by_job on app.job_runs (job_id, started_at desc);
