import type pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openLedger, type TestLedger, valueOf } from "../../ledger.ts";
import { prepareCell } from "../../merchants.ts";
import { dropMerchantLeftovers, freshName } from "../../server.ts";

const prefix = freshName("ledger");
let ledger: TestLedger;
let control: pg.Client;

beforeAll(async () => {
  await prepareCell();
  ledger = await openLedger(prefix);
  control = ledger.control;
});
afterAll(async () => {
  await ledger.end();
  await dropMerchantLeftovers(`merchant_${prefix}`);
});

const grant = (amount: number) =>
  valueOf<string>(control, "select app.grant_lot('a', now() + interval '1 day', $1)", [amount]);
const open = (lot: string, amount: number) =>
  valueOf<string>(control, "select app.open_operation(now() + interval '1 day', $1, $2)", [lot, amount]);
const endOfLot = (lot: string, when = "now() - interval '1 hour'") =>
  control.query(`update app.lots set expires_at = ${when} where lot_id = $1`, [lot]);
const endOfOperation = (operation: string) =>
  control.query("update app.operations set expires_at = now() - interval '1 hour' where operation_id = $1", [
    operation,
  ]);
const entries = async (lot: string) =>
  (
    await control.query<{ text: string }>(
      "select kind || ' ' || amount_minor as text from app.ledger_entries where lot_id = $1 order by entry_id",
      [lot],
    )
  ).rows.map(({ text }) => text);
const lastRun = async (job: string) =>
  (
    await control.query<{ status: string; affected_rows: string; batches: string }>(
      `select r.status, r.affected_rows, r.batches from app.job_runs as r join app.jobs as j using (job_id)
       where j.name = $1 order by r.run_id desc limit 1`,
      [job],
    )
  ).rows[0];

test("a late credit and a refund to a lot that has expired are gone after the next run, by a debit each", async () => {
  const lot = await grant(100);
  const spend = await valueOf<string>(control, "select app.spend($1, 30)", [lot]);
  await endOfLot(lot);
  await control.query("call app.expire_lots()");
  await control.query("select app.credit_lot($1, 5)", [lot]);
  await control.query("call app.expire_lots()");
  await control.query("select app.refund($1, 30)", [spend]);
  await control.query("call app.expire_lots()");
  await control.query("call app.expire_lots()");
  expect(await entries(lot)).toEqual([
    "grant 100",
    "spend -30",
    "expiry -70",
    "grant 5",
    "expiry -5",
    "refund 30",
    "expiry -30",
  ]);
  expect(await lastRun("lot_expiry")).toMatchObject({ status: "succeeded", affected_rows: "0" });
});

test("a lot that has come back to life by hand expires again", async () => {
  const lot = await grant(100);
  await endOfLot(lot);
  await control.query("call app.expire_lots()");
  await control.query(
    "update app.lots set expires_at = now() + interval '1 day', expired_at = null where lot_id = $1",
    [lot],
  );
  await control.query("select app.credit_lot($1, 7)", [lot]);
  await endOfLot(lot);
  await control.query("call app.expire_lots()");
  expect(await entries(lot)).toEqual(["grant 100", "expiry -100", "grant 7", "expiry -7"]);
});

test("what an operation held of a lot that has expired is gone after both jobs, in whichever order they run", async () => {
  for (const order of [
    ["cleanup_expired_operations", "expire_lots"],
    ["expire_lots", "cleanup_expired_operations", "expire_lots"],
  ]) {
    const lot = await grant(100);
    const operation = await open(lot, 40);
    await endOfLot(lot);
    await endOfOperation(operation);
    for (const job of order) await control.query(`call app.${job}()`);
    expect(await valueOf(control, "select sum(amount_minor) from app.ledger_entries where lot_id = $1", [lot])).toBe(
      "0",
    );
    expect((await entries(lot)).filter((entry) => entry.startsWith("release"))).toEqual(["release 40"]);
    expect(await valueOf(control, "select state from app.operations where operation_id = $1", [operation])).toBe(
      "expired",
    );
  }
});

test("an operation that is completed in time spends what it held, and can be refunded like any spend", async () => {
  const lot = await grant(100);
  const operation = await open(lot, 40);
  const spend = await valueOf<string>(control, "select app.complete_operation($1)", [operation]);
  await control.query("select app.refund($1, 15)", [spend]);
  await endOfOperation(operation);
  await control.query("call app.cleanup_expired_operations()");
  expect(await entries(lot)).toEqual(["grant 100", "hold -40", "release 40", "spend -40", "refund 15"]);
});

test("an operation that holds nothing is opened, completed, cancelled and expired without an entry", async () => {
  const count = () => valueOf<string>(control, "select count(*) from app.ledger_entries");
  const before = await count();
  const operations: string[] = [];
  for (let i = 0; i < 3; i += 1) {
    operations.push(await valueOf<string>(control, "select app.open_operation(now() + interval '1 day')"));
  }
  expect(await valueOf(control, "select app.complete_operation($1)", [operations[0]])).toBeNull();
  await control.query("select app.cancel_operation($1)", [operations[1]]);
  await endOfOperation(operations[2]!);
  await control.query("call app.cleanup_expired_operations()");
  expect(
    await valueOf(
      control,
      "select array_agg(state order by operation_id) from app.operations where operation_id = any ($1)",
      [operations],
    ),
  ).toEqual(["completed", "cancelled", "expired"]);
  expect(await count()).toBe(before);
});

test("nothing ends early: a lot and an operation are due at their time and not before", async () => {
  const lot = await grant(100);
  const operation = await open(lot, 40);
  const at = "2031-05-06 07:08:09.123456+00";
  await endOfLot(lot, `'${at}'`);
  await control.query("update app.operations set expires_at = $2 where operation_id = $1", [operation, at]);
  for (const [earlier, due] of [
    ["1 microsecond", false],
    ["0", true],
  ] as const) {
    const now = [at, earlier];
    for (const [batch, item] of [
      ["expire_lots_batch", lot],
      ["cleanup_expired_operations_batch", operation],
    ] as const) {
      const call = (items: string) =>
        `select items, affected from app.${batch}($1::timestamptz - $2::interval, 1000, null, ${items}, '{}')`;
      const asked = await valueOf<string[]>(control, call("null"), now);
      expect(asked.includes(item), `${batch} ${earlier}`).toBe(due);
      const done = await control.query<{ affected: string }>(call(`array['${item}']`), now);
      expect(done.rows[0]?.affected, `${batch} ${earlier}`).toBe(due ? "1" : "0");
    }
  }
});

test.each(["expire_lots_batch", "cleanup_expired_operations_batch", "cleanup_idempotency_batch"])(
  "%s gives what is due in pages that follow each other, whatever the session's settings",
  async (batch) => {
    const session = await ledger.superuser();
    await session.query("begin");
    await session.query("set local timezone = 'Australia/Lord_Howe'");
    await session.query("set local datestyle = 'SQL, DMY'");
    // Many at one time, a key that is quoted in JSON, and one that is longest.
    await session.query(
      "insert into app.lots (account, expires_at) select 'a', now() - interval '10 years' from generate_series(1, 7)",
    );
    await session.query(
      "insert into app.lots (account, expires_at) values ('a', '-infinity'), ('a', now() - interval '1 year')",
    );
    await session.query("insert into app.operations (expires_at) select expires_at from app.lots");
    await session.query(
      `insert into app.idempotency_keys (key, state, created_at, finished_at)
       select coalesce(k, 'k' || n), 'failed', now(), now() - interval '10 years'
       from generate_series(1, 7) as n left join (values (1, repeat('"', 200)), (2, 'é\\')) as odd (m, k) on m = n`,
    );
    const seen: string[] = [];
    let cursor: unknown = null;
    let pages = 0;
    for (let done = false; !done;) {
      const { rows } = await session.query<{ items: string[]; next_cursor: unknown; done: boolean; affected: null }>(
        `select * from app.${batch}(now(), 2, $1, null, '{}')`,
        [cursor === null ? null : JSON.stringify(cursor)],
      );
      const page = rows[0]!;
      expect(page.affected).toBeNull();
      expect(page.items.length).toBeLessThanOrEqual(2);
      seen.push(...page.items);
      cursor = page.next_cursor;
      done = page.done;
      pages += 1;
      expect(pages).toBeLessThan(100);
    }
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen.length).toBeGreaterThanOrEqual(7);
    const affected = await valueOf<string>(session, `select affected from app.${batch}(now(), 2, null, $1, '{}')`, [
      seen,
    ]);
    expect(affected).toBe(String(seen.length));
    const { rows } = await session.query<{ items: string[]; done: boolean }>(
      `select * from app.${batch}(now(), 2, null, null, '{}')`,
    );
    expect(rows[0]).toMatchObject({ items: [], done: true });
    await session.query("rollback");
  },
);

test("finished keys go after the retention, seven days or the setting, and one in progress never", async () => {
  await control.query(
    `insert into app.idempotency_keys (key, state, created_at, finished_at)
     select state || days, state, now() - interval '2 years', case when state <> 'in_progress' then now() - make_interval(hours => 24 * days + 1) end
     from unnest(array['succeeded', 'failed', 'in_progress']) as state, unnest(array[0, 2, 6, 7, 400]) as days`,
  );
  const left = () =>
    valueOf<string[]>(
      control,
      "select array_agg(key order by key) from app.idempotency_keys where created_at < now() - interval '1 year'",
    );
  const inProgress = ["in_progress0", "in_progress2", "in_progress400", "in_progress6", "in_progress7"];
  await control.query("call app.cleanup_idempotency()");
  expect(await left()).toEqual([
    "failed0",
    "failed2",
    "failed6",
    ...inProgress,
    "succeeded0",
    "succeeded2",
    "succeeded6",
  ]);
  await control.query(`update app.jobs set settings = '{"retentionDays": 3}' where name = 'idempotency_cleanup'`);
  await control.query("call app.cleanup_idempotency()");
  expect(await left()).toEqual(["failed0", "failed2", ...inProgress, "succeeded0", "succeeded2"]);
});

test("requests in progress for more than a day are listed for a person, who ends them", async () => {
  const application = await ledger.application();
  await control.query(
    `insert into app.idempotency_keys (key, created_at)
     values ('stuck', now() - interval '25 hours'), ('slow', now() - interval '23 hours')`,
  );
  const listed = () =>
    valueOf<string[]>(
      application,
      "select array_agg(key) from app.stuck_idempotency_keys where key in ('stuck', 'slow')",
    );
  expect(await listed()).toEqual(["stuck"]);
  await control.query("select app.finish_key('stuck', 'failed', '{\"by\": \"hand\"}')");
  expect(await listed()).toBeNull();
  expect((await application.query("select * from app.begin_key('stuck')")).rows).toEqual([
    { begun: false, state: "failed", response: { by: "hand" } },
  ]);
});

test("a key takes effect once: it begins, is in progress for everybody else, and gives its response for good", async () => {
  const application = await ledger.application();
  const begin = async () => (await application.query("select * from app.begin_key('once')")).rows[0] as unknown;
  expect(await begin()).toEqual({ begun: true, state: "in_progress", response: null });
  expect(await begin()).toEqual({ begun: false, state: "in_progress", response: null });
  await application.query(`select app.finish_key('once', 'succeeded', '{"id": 7}')`);
  expect(await begin()).toEqual({ begun: false, state: "succeeded", response: { id: 7 } });
});

test("a lot whose entries are beyond bigint does not stop the others", async () => {
  const [spoilt, fine] = [await grant(1), await grant(50)];
  await control.query(
    `insert into app.ledger_entries (lot_id, kind, amount_minor)
     select $1, 'grant', 9223372036854775807 from generate_series(1, 2)`,
    [spoilt],
  );
  await endOfLot(spoilt, "now() - interval '2 hours'");
  await endOfLot(fine);
  await control.query("call app.expire_lots()");
  expect(await entries(fine)).toEqual(["grant 50", "expiry -50"]);
  expect(await valueOf(control, "select array_agg(item) from app.job_quarantine")).toEqual([spoilt]);
});
