import type { ObjectDrift } from "./object-kinds.ts";

const history = "ledger/migrations/002_create_ledger.sql";

/** Tables that our files made, and their parts. */
const tables: readonly ObjectDrift[] = [
  [
    "a table's comment changed",
    "grove",
    "comment on table app.lots is 'mine'",
    {
      "table app.lots":
        "comment: Credit that runs out together. What is left of it is the sum of its ledger entries. => comment: mine",
    },
  ],
  [
    "a column's comment dropped",
    "grove",
    "comment on column app.lots.expired_at is null",
    { "comment on column app.lots.expired_at": "gone" },
  ],
  [
    "a table made unlogged",
    "juniper",
    "alter table app.ledger_entries set unlogged",
    { "table app.ledger_entries": "nothing => unlogged: empty after a crash" },
  ],
  ["an index dropped", "grove", "drop index app.lots_due", { "index app.lots_due": "gone" }],
  [
    "an index added",
    "hazel",
    "create index mine on app.lots (account)",
    { "index app.mine": "nothing => CREATE INDEX mine ON app.lots USING btree (account)" },
  ],
  [
    "an index made otherwise",
    "iris",
    "drop index app.lots_due; create index lots_due on app.lots (account)",
    {
      "index app.lots_due":
        "CREATE INDEX lots_due ON app.lots USING btree (expires_at, lot_id) WHERE (expired_at IS NULL) => CREATE INDEX lots_due ON app.lots USING btree (account)",
    },
  ],
  [
    "a constraint dropped",
    "grove",
    "alter table app.lots drop constraint lots_account_length",
    { "constraint lots_account_length on app.lots": "gone" },
  ],
  [
    "a constraint added",
    "hazel",
    "alter table app.lots add constraint mine check (lot_id > 0)",
    { "constraint mine on app.lots": "nothing => CHECK ((lot_id > 0))" },
  ],
  [
    "a foreign key dropped",
    "iris",
    "alter table app.ledger_entries drop constraint ledger_entries_lot_id_fkey",
    { "constraint ledger_entries_lot_id_fkey on app.ledger_entries": "gone" },
  ],
  [
    "a foreign key's triggers disabled",
    "hazel",
    "alter table app.operations disable trigger all",
    {
      "constraint ledger_entries_operation_id_fkey on app.ledger_entries":
        "nothing => not enforced: its triggers are disabled",
      "constraint operations_lot_id_fkey on app.operations": "nothing => not enforced: its triggers are disabled",
    },
  ],
  [
    "a default changed",
    "grove",
    "alter table app.lots alter column created_at set default now()",
    { "default of column app.lots.created_at": "clock_timestamp() => now()" },
  ],
  [
    "a default dropped",
    "hazel",
    "alter table app.lots alter column created_at drop default",
    { "default of column app.lots.created_at": "gone" },
  ],
  [
    "a default added",
    "iris",
    "alter table app.lots alter column account set default 'x'",
    { "default of column app.lots.account": "nothing => 'x'::text" },
  ],
  [
    "NOT NULL dropped",
    "iris",
    "alter table app.lots alter column account drop not null",
    { "not null of column app.lots.account": "gone" },
  ],
  [
    "NOT NULL added",
    "juniper",
    "alter table app.job_runs alter column due set not null",
    { "not null of column app.job_runs.due": "nothing => not null" },
  ],
  [
    "a trigger dropped",
    "grove",
    "drop trigger ledger_entries_append_only on app.ledger_entries",
    { "trigger ledger_entries_append_only on app.ledger_entries": "gone" },
  ],
  [
    "a trigger disabled",
    "hazel",
    "alter table app.ledger_entries disable trigger ledger_entries_append_only",
    { "trigger ledger_entries_append_only on app.ledger_entries": "nothing => disabled" },
  ],
  [
    "a trigger added",
    "iris",
    "create trigger mine before insert on app.lots for each statement execute function app.refuse_ledger_change()",
    {
      "trigger mine on app.lots":
        "nothing => CREATE TRIGGER mine BEFORE INSERT ON app.lots FOR EACH STATEMENT EXECUTE FUNCTION app.refuse_ledger_change()",
    },
  ],
  [
    "row security switched on",
    "juniper",
    "alter table app.lots enable row level security",
    { "table app.lots": "nothing => row security" },
  ],
  [
    "row security switched off",
    "grove",
    "alter table app.notes disable row level security",
    { "table app.notes": "row security => nothing" },
  ],
  [
    "a rule added",
    "juniper",
    "create rule mine as on delete to app.lots do instead nothing",
    { "rule mine on app.lots": "nothing => CREATE RULE mine AS" },
  ],
  ["a rule dropped", "hazel", "drop rule notes_stay on app.notes", { "rule notes_stay on app.notes": "gone" }],
  [
    "a rule disabled",
    "iris",
    "alter table app.notes disable rule notes_stay",
    { "rule notes_stay on app.notes": "nothing => disabled" },
  ],
  [
    "a policy added",
    "grove",
    "create policy mine on app.lots using (true)",
    { "policy mine on app.lots": "nothing => permissive * public using true" },
  ],
  [
    "a policy dropped",
    "hazel",
    "drop policy notes_of_people on app.notes",
    { "policy notes_of_people on app.notes": "gone" },
  ],
  [
    "a policy changed",
    "iris",
    "alter policy notes_of_people on app.notes using (true)",
    {
      "policy notes_of_people on app.notes":
        "permissive r public using (body IS NOT NULL) => permissive r public using true",
    },
  ],
];

/** Views, extensions and the history of migrations. */
const others: readonly ObjectDrift[] = [
  [
    "a view's query changed",
    "grove",
    "create or replace view app.stuck_idempotency_keys as select k.key, k.created_at from app.idempotency_keys as k",
    { "view app.stuck_idempotency_keys": "FROM app.idempotency_keys k => FROM app.idempotency_keys k;" },
  ],
  [
    "a column added to a view",
    "hazel",
    "create or replace view app.stuck_idempotency_keys as select key, created_at, state from app.idempotency_keys",
    {
      "view app.stuck_idempotency_keys":
        "columns: key text, created_at timestamp with time zone => columns: key text, created_at timestamp with time zone, state text",
    },
  ],
  [
    "a view dropped",
    "iris",
    "drop view app.stuck_idempotency_keys",
    { "rights on table app.stuck_idempotency_keys": "gone", "view app.stuck_idempotency_keys": "gone" },
  ],
  [
    "a view's options changed",
    "juniper",
    "alter view app.stuck_idempotency_keys set (security_invoker = true)",
    { "view app.stuck_idempotency_keys": "nothing => options: security_invoker=true" },
  ],
  [
    "the comment on a view's column changed",
    "juniper",
    "comment on column app.job_health.job is 'mine'",
    { "comment on column app.job_health.job": "nothing => mine" },
  ],
  [
    "an extension dropped",
    "grove",
    "drop extension pg_trgm cascade",
    { "extension pg_trgm": "gone", "index app.notes_by_body": "gone" },
  ],
  [
    "an extension at another version",
    "hazel",
    "set role $owner; drop extension hstore; create extension hstore schema public version '1.4'; reset role",
    { "extension hstore": "version 1.8 => version 1.4" },
  ],
  [
    "a row of the migration history deleted",
    "grove",
    `delete from merchant_jobs.applied_files where file = '${history}'`,
    { [`applied file ${history}`]: "gone" },
  ],
  [
    "a row of the migration history edited",
    "hazel",
    `update merchant_jobs.applied_files set sha256 = repeat('0', 64) where file = '${history}'`,
    { [`applied file ${history}`]: `… => ${"0".repeat(64)}` },
  ],
  [
    "a row of the migration history added",
    "iris",
    "insert into merchant_jobs.applied_files values ('ledger/migrations/009_mine.sql', 'migration', repeat('0', 64))",
    { "applied file ledger/migrations/009_mine.sql": `nothing => ${"0".repeat(64)}` },
  ],
];

export const relationKinds: readonly ObjectDrift[] = [...tables, ...others];

/** A migration for the kinds of objects that the reference ledger has none of. */
export const MORE_OBJECTS = `create extension pg_trgm schema public;
create extension hstore schema public;

create table app.notes (
  note_id bigint generated always as identity,
  body text,
  constraint notes_pkey primary key (note_id)
);

alter table app.notes enable row level security;
create policy notes_of_people on app.notes for select using (body is not null);
create rule notes_stay as on delete to app.notes do instead nothing;
create index notes_by_body on app.notes using gin (body public.gin_trgm_ops);
create type app.mood as enum ('well', 'ill');
`;
