import type { DriftKind } from "./kinds.ts";

/** One that `up --refresh` does not heal: it says why, and what does. */
export interface RefusedKind extends DriftKind {
  /** A part of what it says. */
  readonly refused: string;
}

type Refused = readonly [
  kind: string,
  at: string,
  by: string,
  resource: string,
  shows: string,
  refused: string,
  ...also: string[],
];

const objects: readonly Refused[] = [
  [
    "a column dropped",
    "acme",
    "alter table app.lots drop column created_at",
    "migrations",
    '+ column app.lots.created_at: "gone"',
    "healing would lose data",
  ],
  [
    "a column added",
    "bluebird",
    "alter table app.lots add column mine text",
    "migrations",
    '+ column app.lots.mine: "nothing => text"',
    "healing would lose data",
  ],
  [
    "a column's type changed",
    "coral",
    "alter table app.lots alter column account type varchar(300)",
    "migrations",
    '+ column app.lots.account: "text => character varying(300)"',
    "healing would lose data",
  ],
  [
    "a table dropped",
    "dahlia",
    "drop table app.idempotency_keys cascade",
    "migrations",
    '+ table app.idempotency_keys: "gone"',
    "healing would lose data",
  ],
  [
    "a value added to an enumerated type",
    "ember",
    "alter type app.mood add value 'better'",
    "migrations",
    '+ type app.mood: "values: well, ill => values: well, ill, better"',
    "our files do not make it",
  ],
  [
    "an attribute added to a composite type",
    "fern",
    "alter type app.batch_result add attribute mine text",
    "migrations",
    '+ type app.batch_result: "items text[], next_cursor jsonb, done boolean, affected bigint => items text[], next_cursor jsonb, done boolean, affected bigint, mine text"',
    "our files do not make it",
  ],
  [
    "a column added to a view that something of others' asks",
    "grove",
    "create or replace view app.stuck_idempotency_keys as select key, created_at, state from app.idempotency_keys; create schema theirs; create view theirs.stuck as select * from app.stuck_idempotency_keys",
    "migrations",
    '+ view app.stuck_idempotency_keys: "columns: key text, created_at timestamp with time zone => columns: key text, created_at timestamp with time zone, state text"',
    "what depends on it is not ours: drop that first",
  ],
  [
    "an object given to a superuser",
    "hazel",
    "alter procedure app.expire_lots() owner to postgres",
    "migrations",
    '+ routine app.expire_lots(): "owner: $owner => owner: postgres"',
    'a superuser can, in that database: alter routine app.expire_lots() owner to "$owner";',
  ],
];

const others: readonly Refused[] = [
  [
    "a database replaced by an empty one",
    "lotus",
    "alter database $db rename to merchant_lotus_lost; create database $db owner $owner template template0 connection limit 50",
    "migrations",
    "::$id-migrations]",
    "was onboarded before, and its database $db is empty now",
    "crontab",
  ],
  [
    "SUPERUSER given to the application's role",
    "iris",
    "alter role $app superuser",
    "access",
    '+ $app: "LOGIN, SUPERUSER, merchant-jobs: $id"',
    'a superuser can: alter role "$app" nosuperuser;',
  ],
  [
    "REPLICATION and BYPASSRLS given to the job role",
    "juniper",
    "alter role $job replication bypassrls",
    "access",
    '+ $job: "LOGIN, REPLICATION, BYPASSRLS, merchant-jobs: $id"',
    'a superuser can: alter role "$job" noreplication nobypassrls;',
  ],
];

/** In this order: the last one takes a right from the administrator. */
export const refusedKinds: readonly RefusedKind[] = [
  ...objects.map(([kind, at, by, resource, shows, refused, ...also]) => ({
    kind,
    at,
    in: "own" as const,
    by,
    resource,
    shows: [shows],
    refused,
    also,
  })),
  ...others.map(([kind, at, by, resource, shows, refused, ...also]) => ({
    kind,
    at,
    in: "postgres" as const,
    by,
    resource,
    shows: [shows],
    refused,
    also,
  })),
  {
    kind: "an extra job of another user, where the administrator lacks DELETE on cron.job",
    at: "kale",
    in: "cron",
    by: `insert into cron.job (jobname, schedule, command, nodename, nodeport, database, username)
      values ('theirs', '0 1 * * *', 'select 1', '', 0, '$db', 'postgres');
      revoke delete on cron.job from platform_admin`,
    resource: "crontab",
    shows: ["+ theirs@postgres: {", 'user: "postgres"'],
    refused: "a superuser can, in database cron: select cron.unschedule(",
  },
];

/** What is done to the migration files, and what every preview says then, without a connection. */
export const FILE_KINDS: readonly {
  readonly kind: string;
  readonly file: string;
  /** The file's new name, or the text that is appended; null removes it. */
  readonly change: { readonly name: string } | { readonly text: string } | null;
  readonly refused: string;
}[] = [
  {
    kind: "an applied migration file edited",
    file: "engine/migrations/001_create_job_engine.sql",
    change: { text: "\n-- edited\n" },
    refused: "001_create_job_engine.sql was edited after it was applied",
  },
  {
    kind: "an applied migration file removed",
    file: "ledger/migrations/003_create_notes.sql",
    change: null,
    refused: "003_create_notes.sql was applied and its file is missing",
  },
  {
    kind: "an applied migration file renumbered",
    file: "ledger/migrations/002_create_ledger.sql",
    change: { name: "ledger/migrations/004_create_ledger.sql" },
    refused: "002_create_ledger.sql was applied and its file is missing",
  },
];
