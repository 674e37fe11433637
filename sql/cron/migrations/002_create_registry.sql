-- The registry says which merchants this cell holds. Each merchant's Crontab writes its row in the same transaction as
-- its jobs; the runner and the health service read it, so that they need to be given cells and nothing else.

create table merchant_jobs.merchants (
  merchant text not null,
  database_name text not null,
  job_role text not null,
  suspended boolean not null,
  dropping_since timestamptz,
  registered_at timestamptz not null default pg_catalog.clock_timestamp(),
  changed_at timestamptz not null default pg_catalog.clock_timestamp(),
  constraint merchants_pkey primary key (merchant),
  constraint merchants_database_name_key unique (database_name),
  constraint merchants_merchant_form check (merchant ~ '^[a-z][a-z0-9_]{0,30}$'),
  constraint merchants_database_name_length check (pg_catalog.length(database_name) between 1 and 63),
  constraint merchants_job_role_length check (pg_catalog.length(job_role) between 1 and 63)
);

comment on table merchant_jobs.merchants is 'The merchants of this cell: where their ledger is and whose jobs they are.';
comment on column merchant_jobs.merchants.suspended is 'Their jobs are scheduled but not active.';
comment on column merchant_jobs.merchants.dropping_since is
  'Set when the merchant is being offboarded for good. Only then may its crontab be deleted.';
