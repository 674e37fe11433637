import type { DriftKind } from "./kinds.ts";

/** What somebody can do by hand and no preview shows: it cannot be seen, or it is not ours to say. */
type Unseen = Omit<DriftKind, "resource" | "shows"> & { readonly resource: "none"; readonly shows: readonly [] };

const unseen: readonly (readonly [kind: string, by: string, where?: DriftKind["in"]])[] = [
  ["a role's password or its expiry changed", "alter role $app password 'changed by hand' valid until '2099-01-01'"],
  [
    "a login made a member of the application's role",
    "create role login_of_zinnia login; grant $app to login_of_zinnia",
  ],
  [
    "rows of the ledger, of runs and of quarantine changed",
    "insert into app.lots (account, expires_at) values ('x', now() + interval '1 day'); delete from app.job_runs",
  ],
  [
    "how tables are vacuumed and analysed",
    "alter table app.lots set (autovacuum_vacuum_scale_factor = 0.01); alter table app.lots alter column account set statistics 500; analyze app.lots",
  ],
  ["the next number of an identity column", "alter table app.lots alter column lot_id restart with 1000"],
  [
    "what roles may do by default with what the owner role makes later",
    "alter default privileges for role $owner grant execute on functions to public",
  ],
  ["comments on constraints and triggers", "comment on constraint lots_pkey on app.lots is 'mine'"],
  [
    "what the application makes, in schema app or elsewhere",
    "create table app.theirs (lot_id bigint references app.lots (lot_id)); create view app.theirs_too as select * from app.lots; create function app.their_own() returns int language sql as 'select 1'; create extension citext schema public; create schema shop",
  ],
  [
    "a job of another user in a database that is no merchant's, whatever its name",
    "select cron.schedule('$id:theirs', '0 0 1 1 *', 'select 1')",
    "cron",
  ],
];

/** Done to zinnia, which nothing else is done to. */
export const UNSEEN: readonly Unseen[] = unseen.map(([kind, by, where = "own"]) => ({
  kind,
  at: "zinnia",
  in: where,
  by,
  resource: "none",
  shows: [],
}));
