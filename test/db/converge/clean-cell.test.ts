// A cell at work is no drift: jobs run, the ledger is written, and the application migrates what is its own.
import { isDeepStrictEqual } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readAccess } from "../../../converge/access.ts";
import { readCrontab } from "../../../converge/crontab.ts";
import { readMigrations } from "../../../converge/migrations.ts";
import { readProbe } from "../../../converge/probe.ts";
import { filesOf, onboard, prepareCell, specOf, sqlRoot, testCell } from "../../merchants.ts";
import { type OwnServer, startOwnServer, superuserClient } from "../../server.ts";

const MERCHANTS = 20;
const LOOKS = 20;
/** How many merchants at once. */
const AT_ONCE = 4;

type Targets = Awaited<ReturnType<typeof onboard>>;

let own: OwnServer;
let cell: readonly Targets[];

// Its probe looks at the whole cell, which nobody else may disturb meanwhile.
beforeAll(async () => {
  own = await startOwnServer({ settings: {} });
  await prepareCell(testCell(own.server));
  const specs = Array.from({ length: MERCHANTS }, (_, i) =>
    specOf(`shop${i}`, { jobs: { ops_cleanup: { schedule: "* * * * *" } } }),
  );
  cell = await atOnce(specs, (spec) => onboard(spec, sqlRoot, own.server));
});
afterAll(() => own.remove());

async function atOnce<T, R>(all: readonly T[], work: (one: T) => Promise<R>): Promise<readonly R[]> {
  const results: R[] = [];
  const left = [...all.entries()];
  const worker = async () => {
    for (let next = left.shift(); next; next = left.shift()) results[next[0]] = await work(next[1]);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return results;
}

/** Everything that a refresh reads of a merchant. */
async function stateOf({ access, migrations, crontab }: Targets) {
  return {
    access: await readAccess(access),
    migrations: await readMigrations(migrations),
    crontab: await readCrontab(crontab),
  };
}

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

test("twenty merchants with running jobs and an application that migrates its own tables show nothing in twenty looks", async () => {
  let stop = false;
  let rounds = 0;
  const busy = cell.slice(0, AT_ONCE).map(async ({ migrations: { database } }) => {
    const client = await superuserClient(database, own.server);
    try {
      while (!stop) {
        for (const statement of work) await client.query(statement);
        rounds += 1;
      }
    } finally {
      await client.end();
    }
  });
  const wrong: object[] = [];
  try {
    for (let look = 1; look <= LOOKS; look += 1) {
      const found = await readProbe(testCell(own.server));
      if (Object.keys(found).length > 0) wrong.push({ look, found });
      const states = await atOnce(cell, stateOf);
      for (const [i, { access, migrations, crontab }] of states.entries()) {
        const { jobs, engineJobs, suspended } = cell[i]!.crontab;
        const declared = Object.fromEntries(
          Object.entries(jobs).map(([name, { schedule, command, active }]) => [name, { schedule, command, active }]),
        );
        const asDeclared =
          isDeepStrictEqual(access, {}) &&
          isDeepStrictEqual(migrations?.differs, {}) &&
          isDeepStrictEqual({ ...migrations?.migrations, ...migrations?.routines }, filesOf(cell[i]!.migrations)) &&
          isDeepStrictEqual(crontab, { registered: true, suspended, jobs: declared, engineJobs });
        if (!asDeclared) wrong.push({ look, merchant: i, access, migrations, crontab });
      }
    }
  } finally {
    stop = true;
    await Promise.all(busy);
  }
  expect(wrong).toEqual([]);
  expect(rounds).toBeGreaterThanOrEqual(AT_ONCE);
});
