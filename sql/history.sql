-- What converge has applied to this database, kept in the database itself. Run before the first migration, as the role
-- that owns our objects; safe to run again.

-- Before the first migration: what the owner makes is nobody's until it is granted.
alter default privileges revoke execute on functions from public;

create schema if not exists merchant_jobs;

comment on schema merchant_jobs is 'Bookkeeping of merchant-jobs: what was applied here. No application role may enter.';

create table if not exists merchant_jobs.applied_files (
  file text not null,
  kind text not null,
  sha256 text not null,
  applied_at timestamptz not null default pg_catalog.clock_timestamp(),
  constraint applied_files_pkey primary key (file),
  constraint applied_files_file_length check (pg_catalog.length(file) between 1 and 200),
  constraint applied_files_kind_known check (kind in ('migration', 'routine')),
  constraint applied_files_sha256_form check (sha256 ~ '^[0-9a-f]{64}$')
);

comment on table merchant_jobs.applied_files is
  'One row for each SQL file that was applied: a migration once and for ever, a routine again whenever its text changed.';
comment on column merchant_jobs.applied_files.sha256 is
  'Of the file''s text as applied. A migration whose file no longer has this hash stops the run.';

create table if not exists merchant_jobs.expected_objects (
  object text not null,
  parent text,
  definition text not null,
  restore text,
  remove text,
  constraint expected_objects_pkey primary key (object)
);

comment on table merchant_jobs.expected_objects is
  'How each of our objects looked right after the last apply, as sql/objects/ describes it. What differs now is drift.';
comment on column merchant_jobs.expected_objects.parent is
  'What it is a part of: a part that nobody expected, of a parent of which others are expected, is drift too.';
comment on column merchant_jobs.expected_objects.restore is 'The statements that make it as it is; null where data would be lost.';
comment on column merchant_jobs.expected_objects.remove is 'The statement that takes it away; null where data would be lost.';
