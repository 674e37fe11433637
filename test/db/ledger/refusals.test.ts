import type pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openLedger, refusalOf, type TestLedger, valueOf } from "../../ledger.ts";
import { prepareCell } from "../../merchants.ts";
import { dropMerchantLeftovers, freshName } from "../../server.ts";

const prefix = freshName("refuse");
const most = "9223372036854775807";
let ledger: TestLedger;
let application: pg.Client;
/** What the calls of the table speak of. */
let known: Readonly<Record<string, string>>;

beforeAll(async () => {
  await prepareCell();
  ledger = await openLedger(prefix);
  application = await ledger.application();
  const lot = await grant(500);
  const spend = await valueOf<string>(application, "select app.spend($1, 200)", [lot]);
  const refunded = await valueOf<string>(application, "select app.spend($1, 100)", [lot]);
  await application.query("select app.refund($1, 100)", [refunded]);
  const full = await grant(most);
  const expired = await grant(70);
  await ledger.control.query("update app.lots set expires_at = now() - interval '1 hour' where lot_id = $1", [expired]);
  const completed = await operation(lot);
  await application.query("select app.complete_operation($1)", [completed]);
  const late = await operation(lot);
  await ledger.control.query(
    "update app.operations set expires_at = now() - interval '1 hour' where operation_id = $1",
    [late],
  );
  const granted = await valueOf<string>(ledger.control, "select min(entry_id) from app.ledger_entries");
  await application.query("select app.begin_key('working')");
  await application.query("select app.begin_key('done')");
  await application.query("select app.finish_key('done', 'succeeded', '{}')");
  known = { lot, spend, refunded, full, expired, completed, late, granted };
});
afterAll(async () => {
  await ledger.end();
  await dropMerchantLeftovers(`merchant_${prefix}`);
});

const grant = (amount: number | string) =>
  valueOf<string>(application, "select app.grant_lot('a', now() + interval '1 day', $1)", [amount]);
const operation = (lot: string) =>
  valueOf<string>(application, "select app.open_operation(now() + interval '1 day', $1, 1)", [lot]);

/** `:name` stands for what is known by that name. */
const refused: readonly (readonly [call: string, sqlstate: string])[] = [
  ["app.grant_lot(null, now() + interval '1 day', 1)", "MJ020"],
  ["app.grant_lot('', now() + interval '1 day', 1)", "MJ020"],
  ["app.grant_lot(repeat('a', 201), now() + interval '1 day', 1)", "MJ020"],
  ["app.grant_lot('a', null, 1)", "MJ021"],
  ["app.grant_lot('a', now(), 1)", "MJ021"],
  ["app.grant_lot('a', '-infinity', 1)", "MJ021"],
  ["app.grant_lot('a', now() + interval '1 day', null)", "MJ004"],
  ["app.grant_lot('a', now() + interval '1 day', 0)", "MJ004"],
  ["app.grant_lot('a', now() + interval '1 day', -1)", "MJ004"],
  [`app.grant_lot('a', now() + interval '1 day', ${most} + 1)`, "22003"],
  ["app.credit_lot(:lot, null)", "MJ004"],
  ["app.credit_lot(:lot, 0)", "MJ004"],
  ["app.credit_lot(:lot, -1)", "MJ004"],
  ["app.credit_lot(null, 1)", "MJ005"],
  ["app.credit_lot(0, 1)", "MJ005"],
  ["app.credit_lot(:full, 1)", "MJ022"],
  [`app.credit_lot(:lot, ${most})`, "MJ022"],
  ["app.spend(:lot, null)", "MJ004"],
  ["app.spend(:lot, 0)", "MJ004"],
  ["app.spend(:lot, -1)", "MJ004"],
  ["app.spend(null, 1)", "MJ005"],
  ["app.spend(0, 1)", "MJ005"],
  ["app.spend(:expired, 1)", "MJ006"],
  ["app.spend(:lot, 300)", "MJ007"],
  [`app.spend(:lot, ${most})`, "MJ007"],
  ["app.refund(:spend, null)", "MJ004"],
  ["app.refund(:spend, 0)", "MJ004"],
  ["app.refund(:spend, -1)", "MJ004"],
  ["app.refund(null, 1)", "MJ023"],
  ["app.refund(0, 1)", "MJ023"],
  ["app.refund(:granted, 1)", "MJ023"],
  ["app.refund(:spend, 201)", "MJ024"],
  ["app.refund(:refunded, 1)", "MJ025"],
  ["app.open_operation(null)", "MJ021"],
  ["app.open_operation(now())", "MJ021"],
  ["app.open_operation(now() + interval '1 day', :lot)", "MJ004"],
  ["app.open_operation(now() + interval '1 day', :lot, 0)", "MJ004"],
  ["app.open_operation(now() + interval '1 day', :lot, -1)", "MJ004"],
  ["app.open_operation(now() + interval '1 day', null, 1)", "MJ005"],
  ["app.open_operation(now() + interval '1 day', 0, 1)", "MJ005"],
  ["app.open_operation(now() + interval '1 day', :expired, 1)", "MJ006"],
  ["app.open_operation(now() + interval '1 day', :lot, 300)", "MJ007"],
  ...["complete", "cancel"].flatMap(
    (end) =>
      [
        [`app.${end}_operation(null)`, "MJ026"],
        [`app.${end}_operation(0)`, "MJ026"],
        [`app.${end}_operation(:completed)`, "MJ027"],
        [`app.${end}_operation(:late)`, "MJ028"],
      ] as const,
  ),
  ["app.begin_key(null)", "MJ029"],
  ["app.begin_key('')", "MJ029"],
  ["app.begin_key(repeat('k', 201))", "MJ029"],
  ["app.finish_key('working', null, null)", "MJ030"],
  ["app.finish_key('working', 'in_progress', null)", "MJ030"],
  ["app.finish_key(null, 'failed', null)", "MJ031"],
  ["app.finish_key('nobody''s', 'failed', null)", "MJ031"],
  ["app.finish_key('done', 'failed', null)", "MJ031"],
];

const everything = () =>
  valueOf<string>(
    ledger.control,
    `select md5(concat(
       (select json_agg(l order by lot_id) from app.lots as l), (select json_agg(e order by entry_id) from app.ledger_entries as e),
       (select json_agg(o order by operation_id) from app.operations as o), (select json_agg(k order by key) from app.idempotency_keys as k)))`,
  );

test.each(refused)("%s is refused with %s and changes nothing", async (call, sqlstate) => {
  const before = await everything();
  const statement = `select ${call.replace(/:(\w+)/g, (_, name: string) => known[name] ?? name)}`;
  expect(await refusalOf(application.query(statement))).toBe(sqlstate);
  expect(await everything()).toBe(before);
});

test("the largest amount there is can be granted, held, released, spent, refunded and expire", async () => {
  const lot = await grant(most);
  const held = await valueOf<string>(application, "select app.open_operation(now() + interval '1 day', $1, $2)", [
    lot,
    most,
  ]);
  await application.query("select app.cancel_operation($1)", [held]);
  const spent = await valueOf<string>(application, "select app.spend($1, $2)", [lot, most]);
  await application.query("select app.refund($1, $2)", [spent, most]);
  expect(await refusalOf(application.query("select app.credit_lot($1, 1)", [lot]))).toBe("MJ022");
  await ledger.control.query("update app.lots set expires_at = now() - interval '1 hour' where lot_id = $1", [lot]);
  await ledger.control.query("call app.expire_lots()");
  expect(
    await valueOf<string>(
      ledger.control,
      "select amount_minor from app.ledger_entries where lot_id = $1 and kind = 'expiry'",
      [lot],
    ),
  ).toBe(`-${most}`);
});

describe("no application role writes a table:", () => {
  const statements = [
    "insert into app.lots (account, expires_at) values ('a', now() + interval '1 day')",
    "update app.lots set expires_at = now() + interval '1 day'",
    "update app.lots set expired_at = null",
    "delete from app.lots",
    "truncate app.lots cascade",
    "insert into app.ledger_entries (lot_id, kind, amount_minor) values (1, 'grant', 1)",
    "update app.ledger_entries set amount_minor = 1",
    "delete from app.ledger_entries",
    "truncate app.ledger_entries",
    "alter table app.ledger_entries disable trigger all",
    "insert into app.operations (expires_at) values (now() + interval '1 day')",
    "update app.operations set state = 'completed', closed_at = now()",
    "delete from app.operations",
    "insert into app.idempotency_keys (key) values ('mine')",
    "update app.idempotency_keys set state = 'in_progress', finished_at = null",
    "delete from app.idempotency_keys",
    "select app.lock_lot(1)",
    "select app.debit_lot(1, null, 'spend', 1)",
    "select app.close_operation(1, 'completed')",
    "select app.expire_lots_batch(now(), 1, null, null, '{}')",
    "select app.cleanup_expired_operations_batch(now(), 1, null, null, '{}')",
    "select app.cleanup_idempotency_batch(now(), 1, null, null, '{}')",
    "call app.expire_lots()",
  ];

  test.each(statements)("%s", async (statement) => {
    expect(await refusalOf(application.query(statement))).toBe("42501");
  });

  test.each(statements)("nor the job role: %s", async (statement) => {
    // The job role may call the procedures of the jobs, and so nothing else.
    const expected = statement === "call app.expire_lots()" ? undefined : "42501";
    const session = await ledger.superuser();
    await session.query(`set session authorization ${ledger.spec.jobRole}`);
    expect(await refusalOf(session.query(statement))).toBe(expected);
  });
});

test.each([
  "update app.ledger_entries set amount_minor = 1",
  "delete from app.ledger_entries",
  "delete from app.ledger_entries where false",
  "truncate app.ledger_entries",
  "truncate app.lots cascade",
])("not even the owner changes the ledger's past: %s", async (statement) => {
  const session = await ledger.superuser();
  await session.query(`set session authorization ${ledger.spec.ownerRole}`);
  expect(await refusalOf(session.query(statement))).toBe("MJ003");
});

test.each([
  ["a second release of an operation", "(:lot, :completed, null, 'release', 1)", "23505"],
  ["a second spend of an operation", "(:lot, :completed, null, 'spend', -1)", "23505"],
  ["a second refund of an entry", "(:lot, null, :refunded, 'refund', 1)", "23505"],
  ["a refund of no entry", "(:lot, null, null, 'refund', 1)", "23514"],
  ["a hold of no operation", "(:lot, null, null, 'hold', -1)", "23514"],
  ["an entry of nothing", "(:lot, null, null, 'grant', 0)", "23514"],
  ["a spend that adds", "(:lot, null, null, 'spend', 1)", "23514"],
  ["a grant that takes", "(:lot, null, null, 'grant', -1)", "23514"],
])("the tables themselves refuse %s", async (_, entry, sqlstate) => {
  const values = entry.replace(/:(\w+)/g, (_, name: string) => known[name] ?? name);
  expect(
    await refusalOf(
      ledger.control.query(
        `insert into app.ledger_entries (lot_id, operation_id, refunded_entry_id, kind, amount_minor) values ${values}`,
      ),
    ),
  ).toBe(sqlstate);
});
