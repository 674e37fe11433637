import type { ObjectDrift } from "./object-kinds.ts";

/** Rights, owners and settings of what is in a merchant's database, and of the database itself. */
export const rightKinds: readonly ObjectDrift[] = [
  [
    "CONNECT on a database given to PUBLIC",
    "grove",
    "grant connect on database $db to public",
    { database: "grants: …$app:CONNECT…=> grants: …public:CONNECT" },
  ],
  [
    "a database made a template",
    "juniper",
    "alter database $db is_template true",
    { database: "nothing => is a template, which others may copy" },
  ],
  [
    "CREATE on a schema given away",
    "grove",
    "grant create on schema app to $app",
    { "schema app": "grants: …=> grants: …$app:CREATE $app:USAGE…" },
  ],
  [
    "a right on a schema handed on",
    "hazel",
    "grant usage on schema app to $app with grant option",
    { "schema app": "grants: …$app:USAGE …=> grants: …$app:USAGE* …" },
  ],
  [
    "a schema's owner changed",
    "juniper",
    "alter schema app owner to platform_admin",
    { "schema app": "owner: $owner => owner: platform_admin" },
  ],
  [
    "a right on a table given away",
    "grove",
    "grant delete on app.job_runs to $app",
    { "rights on table app.job_runs": "…" },
  ],
  [
    "a right on a table taken away",
    "hazel",
    "revoke select on app.lots from $app",
    { "rights on table app.lots": "…" },
  ],
  [
    "a right on a column given away",
    "iris",
    "grant update (account) on app.lots to $app",
    { "rights on table app.lots": "nothing => grants on account: UPDATE to $app" },
  ],
  [
    "a right on a sequence given away",
    "juniper",
    "grant usage on sequence app.lots_lot_id_seq to $app",
    { "rights on sequence app.lots_lot_id_seq": "…" },
  ],
  [
    "a table's owner changed",
    "juniper",
    "alter table app.idempotency_keys owner to platform_admin",
    {
      "rights on table app.idempotency_keys": "…",
      "table app.idempotency_keys": "owner: $owner => owner: platform_admin",
    },
  ],
  [
    "a setting of the job role",
    "grove",
    "alter role $job in database $db set statement_timeout = '9h'",
    { "settings of role $job": "statement_timeout=…=> statement_timeout=9h" },
  ],
  [
    "a setting of the application's role",
    "grove",
    "alter role $app in database $db set work_mem = '1GB'",
    { "settings of role $app": "nothing => work_mem=1GB" },
  ],
  [
    "a setting of a role in every database",
    "hazel",
    "alter role $app set statement_timeout = '1s'",
    { "settings everywhere of role $app": "nothing => statement_timeout=1s" },
  ],
  [
    "a setting of the owner role",
    "hazel",
    "alter role $owner set work_mem = '1GB'",
    { "settings everywhere of role $owner": "nothing => work_mem=1GB" },
  ],
  [
    "a setting of the database",
    "iris",
    "alter database $db set timezone = 'Asia/Tokyo'",
    { "settings of the database": "nothing => TimeZone=Asia/Tokyo" },
  ],
  [
    "the job role's connection limit changed",
    "grove",
    "alter role $job connection limit -1",
    { "connection limit of role $job": "0 => -1" },
  ],
  [
    "the application role's connection limit changed",
    "hazel",
    "alter role $app connection limit 3",
    { "connection limit of role $app": "nothing => 3" },
  ],
];
