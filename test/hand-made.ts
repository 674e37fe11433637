import type pg from "pg";
import type { MerchantSpec } from "../spec/merchants.ts";
import { superuserClient, testServer } from "./server.ts";

/**
 * A merchant's database as a person would have made it before there was this project: functions where procedures are
 * now, a log of runs of another form, tables without the names, checks, indexes and triggers that the migrations give
 * them, and jobs scheduled by hand.
 */
export async function makeByHand(spec: MerchantSpec): Promise<void> {
  const { database, ownerRole } = spec;
  await withClient("cron", async (client) => {
    await client.query(`create role ${ownerRole}`);
    await client.query(`create database ${database} owner ${ownerRole} template template0`);
  });
  await withClient(database, async (client) => {
    await client.query(`set role ${ownerRole}`);
    await client.query(TABLES);
    await client.query(FUNCTIONS);
    await client.query(ROWS);
  });
  await withClient("cron", async (client) => {
    for (const [name, schedule, command] of [
      ["nightly expiry", "15 1 * * *", "SELECT app.expire_lots()"],
      ["ops", "*/5 * * * *", "SET statement_timeout = '60s'; SELECT app.cleanup_expired_operations();"],
      ["keys", "0 3 * * *", "select * from app.cleanup_idempotency()"],
    ]) {
      await client.query("select cron.schedule_in_database($1, $2, $3, $4)", [name, schedule, command, database]);
    }
  });
}

/** Lets the administrator act as the owner: the statement that a refusal gives. */
export function grantTo(spec: MerchantSpec): string {
  return `grant "${spec.ownerRole}" to "${testServer().admin}" with admin option;`;
}

async function withClient(database: string, work: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = await superuserClient(database);
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

const TABLES = `
  create schema app;
  create table app.job_runs (
    id bigserial primary key,
    job_name text not null,
    started_at timestamptz not null default now(),
    finished_at timestamptz,
    status text not null,
    rows_affected integer,
    error_message text,
    host text
  );
  create index on app.job_runs (started_at);
  create table app.lots (
    lot_id bigint generated always as identity primary key,
    account text not null,
    expires_at timestamptz not null,
    expired_at timestamptz,
    created_at timestamptz not null default now()
  );
  create index lots_by_account on app.lots (account);
  create table app.operations (
    operation_id bigint generated always as identity primary key,
    lot_id bigint references app.lots (lot_id),
    held_minor bigint not null default 0,
    state text not null default 'open',
    expires_at timestamptz not null,
    closed_at timestamptz,
    created_at timestamptz not null default now()
  );
  create table app.ledger_entries (
    entry_id bigint generated always as identity primary key,
    lot_id bigint not null references app.lots (lot_id),
    operation_id bigint references app.operations (operation_id),
    refunded_entry_id bigint references app.ledger_entries (entry_id),
    kind text not null,
    amount_minor bigint not null,
    created_at timestamptz not null default now()
  );
  create table app.idempotency_keys (
    key text primary key,
    state text not null default 'in_progress',
    response jsonb,
    created_at timestamptz not null default now(),
    finished_at timestamptz
  )`;

/** As the document that this project began with has them: a CALL of such a function fails. */
const FUNCTIONS = `
  create function app.expire_lots() returns integer language plpgsql as $$
  begin
    update app.lots set expired_at = now() where expires_at <= now() and expired_at is null;
    insert into app.job_runs (job_name, finished_at, status) values ('expire_lots', now(), 'success');
    return 1;
  end $$;
  create function app.cleanup_expired_operations() returns void language sql as
    $$ update app.operations set state = 'expired', closed_at = now() where state = 'open' and expires_at <= now() $$;
  create function app.cleanup_idempotency() returns bigint language sql as
    $$ delete from app.idempotency_keys where finished_at < now() - interval '7 days' returning 1::bigint $$`;

const ROWS = `
  insert into app.job_runs (job_name, started_at, finished_at, status, rows_affected, error_message, host) values
    ('expire_lots', '2026-01-01 02:00Z', '2026-01-01 02:00:05Z', 'success', 12, null, 'a'),
    ('expire_lots', '2026-01-02 02:00Z', '2026-01-02 02:00:01Z', 'error', 0, 'deadlock detected', 'a'),
    ('app.cleanup_expired_operations()', '2026-01-02 03:00Z', '2026-01-02 03:00:01Z', 'OK', null, null, 'b'),
    ('Weekly Report', '2026-01-03 03:00Z', null, 'running', null, null, 'b');
  insert into app.lots (account, expires_at) select 'account ' || g, now() + (g - 3) * interval '1 day' from generate_series(1, 6) as g;
  insert into app.ledger_entries (lot_id, kind, amount_minor) select lot_id, 'grant', 1000 * lot_id from app.lots;
  insert into app.operations (lot_id, held_minor, expires_at) select lot_id, 0, now() - interval '1 hour' from app.lots where lot_id = 5;
  insert into app.idempotency_keys (key, state, finished_at) values ('k1', 'succeeded', now() - interval '9 days'), ('k2', 'failed', now())`;
