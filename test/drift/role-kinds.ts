import type { DriftKind } from "./kinds.ts";

type Role = readonly [
  kind: string,
  at: string,
  by: string,
  resource: string,
  shows: string | readonly string[],
  ...also: string[],
];

const kinds: readonly Role[] = [
  [
    "a database's owner changed",
    "kale",
    "alter database $db owner to platform_admin",
    "database",
    '~ owner: "$owner" => "platform_admin"',
    "migrations",
  ],
  [
    "a database's connection limit changed",
    "juniper",
    "alter database $db connection limit 3",
    "database",
    "~ connectionLimit: 50 => 3",
  ],
  [
    "a database's connection limit set to none",
    "kale",
    "alter database $db connection limit 0",
    "database",
    "~ connectionLimit: 50 => 0",
    "migrations",
  ],
  [
    "a database that allows no connections",
    "ember",
    "alter database $db allow_connections false",
    "database",
    "~ allowConnections: true => false",
    "migrations",
  ],
  ["LOGIN given to the owner role", "acme", "alter role $owner login", "owner", "~ login: false => true"],
  ["CREATEDB given to the owner role", "bluebird", "alter role $owner createdb", "owner", "+ createDatabase: true"],
  [
    "the owner role made a member of another merchant's",
    "dahlia",
    "grant merchant_hazel_owner to $owner",
    "owner",
    ["~ roles: [", "] => [", '"merchant_hazel_owner"'],
  ],
  [
    "pg_read_all_stats taken from the owner role",
    "fern",
    "revoke pg_read_all_stats from $owner",
    "owner",
    "] => []",
    "home-probe",
  ],
  [
    "CREATEDB and CREATEROLE given to the application's role",
    "bluebird",
    "alter role $app createdb createrole",
    "access",
    '+ $app: "LOGIN, CREATEDB, CREATEROLE, merchant-jobs: $id"',
  ],
  ["LOGIN taken from the job role", "bluebird", "alter role $job nologin", "access", '+ $job: "merchant-jobs: $id"'],
  ["the comment on a role dropped", "dahlia", "comment on role $job is null", "access", '+ $job: "LOGIN, no comment"'],
  [
    "the application's role made a member of another merchant's",
    "dahlia",
    "grant merchant_acme_app to $app",
    "access",
    '+ $app in merchant_acme_app: "member"',
  ],
  [
    "the application's role dropped",
    "coral",
    "drop owned by $app; drop role $app",
    "access",
    '+ $app: "gone"',
    "migrations",
  ],
  [
    "another role made a member of the owner role",
    "fern",
    "create role stranger; grant $owner to stranger",
    "access",
    '+ stranger in $owner: "member"',
  ],
  [
    "another role made a member of the job role",
    "grove",
    "create role stranger_too; grant $job to stranger_too",
    "access",
    '+ stranger_too in $job: "member"',
  ],
  [
    "the administrator taken out of the owner role",
    "lotus",
    "revoke $owner from platform_admin",
    "access",
    '+ platform_admin in $owner: "no member"',
    "migrations",
  ],
];

const database = new Set(["the application's role dropped"]);

export const roleKinds: readonly DriftKind[] = kinds.map(([kind, at, by, resource, shows, ...also]) => ({
  kind,
  at,
  in: database.has(kind) ? "own" : "postgres",
  by,
  resource,
  shows: typeof shows === "string" ? [shows] : shows,
  also,
}));
