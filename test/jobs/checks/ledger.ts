// Money: what the jobs and the application's functions promise of a lot.
import { expect } from "vitest";
import { errorOf, EXPIRE_LOTS, type JobsDatabase } from "../database.ts";

/** Of two spends at once that are too much together the second is refused: the balance is never below zero. */
export async function spendsNeverOverdraw(db: JobsDatabase): Promise<void> {
  const lot = await db.lot("1 hour", [100]);
  const first = await db.session();
  await first.client.query("begin");
  await first.client.query("select app.spend($1, 70)", [lot]);
  const second = await db.session();
  const spend = errorOf(second.client.query("select app.spend($1, 70)", [lot]));
  await db.untilWaiting(second);
  await first.client.query("commit");
  expect(await spend).toMatchObject({ code: "MJ007" });
  expect(await db.balance(lot)).toBe(30);
}

/** What an operation held is released once, however many close it at once. */
export async function heldMoneyIsReleasedOnce(db: JobsDatabase): Promise<void> {
  const lot = await db.lot("1 hour", [100]);
  const [operation] = await db.rows<{ id: string }>(
    `with made as (
       insert into app.operations (lot_id, held_minor, expires_at) values ($1, 40, now() - interval '1 minute')
       returning operation_id, lot_id
     )
     insert into app.ledger_entries (lot_id, operation_id, kind, amount_minor)
     select lot_id, operation_id, 'hold', -40 from made returning operation_id as id`,
    [lot],
  );
  const close = "select (app.cleanup_expired_operations_batch(clock_timestamp(), 10, null, $1, '{}')).affected::int";
  const first = await db.session();
  await first.client.query("begin");
  expect((await first.client.query(close, [[operation!.id]])).rows).toEqual([{ affected: 1 }]);
  const second = await db.session();
  const again = second.client.query(close, [[operation!.id]]);
  await db.untilWaiting(second);
  await first.client.query("commit");
  expect((await again).rows).toEqual([{ affected: 0 }]);
  expect(await db.balance(lot)).toBe(100);
  const release =
    "insert into app.ledger_entries (lot_id, operation_id, kind, amount_minor) values ($1, $2, 'release', 40)";
  expect(await errorOf(db.rows(release, [lot, operation!.id]))).toMatchObject({ code: "23505" });
}

/** A lot that is not due, or is no longer, is passed over. */
export async function nothingExpiresEarly(db: JobsDatabase): Promise<void> {
  const lot = await db.lot("1 hour", [100]);
  const found = await db.rows(
    "select (app.expire_lots_batch(clock_timestamp(), 10, null, array[$1], '{}')).affected::int",
    [lot],
  );
  expect(found).toEqual([{ affected: 0 }]);
  expect(await db.balance(lot)).toBe(100);
}

/** What is added to a lot that has expired goes with the next run. */
export async function lateCreditExpires(db: JobsDatabase): Promise<void> {
  const [lot] = await db.dueLots(1);
  await db.rows(EXPIRE_LOTS);
  await db.rows("select app.credit_lot($1, 30)", [lot]);
  await db.rows(EXPIRE_LOTS);
  expect(await db.lastRun()).toMatchObject({ status: "succeeded", affected: 1, quarantined: 0 });
  expect(await db.expiries([lot!])).toEqual([[0, 2]]);
}
