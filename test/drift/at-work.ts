import type { RunningServer } from "../../local/postgres.ts";
import { superuserClient } from "../server.ts";

/** What an application does to its database besides: each statement is a transaction of its own. */
const work: readonly string[] = [
  "create table app.orders (order_id bigint generated always as identity primary key, lot_id bigint references app.lots (lot_id))",
  "create index orders_by_lot on app.orders (lot_id)",
  "select app.grant_lot('shop', now() + interval '1 day', 500)",
  "create function app.order_total() returns bigint language sql as 'select count(*) from app.orders'",
  "create view app.open_orders as select o.order_id, l.account from app.orders as o join app.lots as l on l.lot_id = o.lot_id",
  "alter table app.orders add column note text not null default ''",
  "select app.spend(max(lot_id), 1) from app.lots",
  "create trigger keep before delete on app.orders for each row execute function suppress_redundant_updates_trigger()",
  "create type app.mood as enum ('well', 'ill')",
  "alter table app.orders add column mood app.mood, add constraint orders_note check (length(note) < 100)",
  "create policy everybody on app.orders using (true)",
  "create schema if not exists shop; create table if not exists shop.stock (item text)",
  "alter table app.lots set (autovacuum_vacuum_scale_factor = 0.01)",
  "analyze app.lots",
  "call app.expire_lots()",
  "insert into app.operations (expires_at) values (clock_timestamp())",
  "call app.cleanup_expired_operations()",
  "call app.run_overdue()",
  "drop view app.open_orders",
  "drop function app.order_total()",
  "drop table app.orders",
  "drop type app.mood",
];

/** Does all of it in these databases, again and again, until `stop`, which gives how often it was done. */
export function workIn(databases: readonly string[], server: RunningServer): { readonly stop: () => Promise<number> } {
  let stopped = false;
  let rounds = 0;
  const busy = databases.map(async (database) => {
    const client = await superuserClient(database, server);
    try {
      while (!stopped) {
        for (const statement of work) await client.query(statement);
        rounds += 1;
      }
    } finally {
      await client.end();
    }
  });
  return {
    stop: async () => {
      stopped = true;
      await Promise.all(busy);
      return rounds;
    },
  };
}
