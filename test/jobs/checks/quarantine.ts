// One bad item never stops the others, and is never given up.
import { expect } from "vitest";
import { EXPIRE_LOTS, type JobsDatabase } from "../database.ts";

const quarantine = (db: JobsDatabase) =>
  db.rows("select item, error_sqlstate as sqlstate, attempts::int from app.job_quarantine order by item::bigint");

/** A poison lot goes into quarantine, each other one is expired; the run succeeds and counts it; so does the next. */
export async function poisonStopsNoOther(db: JobsDatabase): Promise<void> {
  await db.setJob({ batchSize: 4, timeLimitSeconds: 5 });
  const lots = await db.dueLots(10);
  const bad = [lots[0]!, lots[5]!];
  await db.poison(bad, "P0001");
  const expected = lots.map((lot) => (bad.includes(lot) ? [100, 0] : [0, 1]));
  await db.rows(EXPIRE_LOTS);
  expect(await db.lastRun()).toMatchObject({ status: "succeeded", affected: 8, quarantined: 2, more: false });
  expect(await db.expiries(lots)).toEqual(expected);
  expect(await quarantine(db)).toEqual(bad.map((item) => ({ item, sqlstate: "P0001", attempts: 1 })));
  expect(await db.rows("select quarantined::int from app.job_health where job = 'lot_expiry'")).toEqual([
    { quarantined: 2 },
  ]);
  // Once in each run, last.
  const more = await db.dueLots(3);
  await db.rows(EXPIRE_LOTS);
  expect(await db.lastRun()).toMatchObject({ status: "succeeded", affected: 3, quarantined: 2, more: false });
  expect(await quarantine(db)).toEqual(bad.map((item) => ({ item, sqlstate: "P0001", attempts: 2 })));
  expect(await db.expiries([...lots, ...more])).toEqual([...expected, ...more.map(() => [0, 1])]);
}

/** What is in quarantine and goes well leaves it, after everything else that was due. */
export async function healedItemIsDoneLast(db: JobsDatabase): Promise<void> {
  const lots = await db.dueLots(3);
  await db.poison([lots[0]!], "22012");
  await db.rows(EXPIRE_LOTS);
  expect(await quarantine(db)).toEqual([{ item: lots[0], sqlstate: "22012", attempts: 1 }]);
  await db.heal();
  const more = await db.dueLots(2);
  await db.rows(EXPIRE_LOTS);
  expect(await db.lastRun()).toMatchObject({ status: "succeeded", affected: 3, quarantined: 0 });
  expect(await quarantine(db)).toEqual([]);
  expect(await db.expiries([...lots, ...more])).toEqual([...lots, ...more].map(() => [0, 1]));
  const order = await db.rows<{ lot_id: string }>(
    "select lot_id from app.ledger_entries where kind = 'expiry' order by entry_id desc limit 1",
  );
  expect(order).toEqual([{ lot_id: lots[0] }]);
}

/** What is in quarantine and is no longer due leaves it. */
export async function itemNoLongerDueLeaves(db: JobsDatabase): Promise<void> {
  await db.setJob({ timeLimitSeconds: 5 });
  const [lot] = await db.dueLots(1);
  await db.poison([lot!], "P0001");
  await db.rows(EXPIRE_LOTS);
  await db.rows("update app.lots set expires_at = clock_timestamp() + interval '1 day' where lot_id = $1", [lot]);
  await db.rows(EXPIRE_LOTS);
  expect(await db.lastRun()).toMatchObject({ status: "succeeded", affected: 0, quarantined: 0 });
  expect(await quarantine(db)).toEqual([]);
  expect(await db.balance(lot!)).toBe(100);
}

/** A constraint that an item violates, at once or at COMMIT, is an error of that item. */
export async function constraintIsAnErrorOfTheItem(db: JobsDatabase): Promise<void> {
  const lots = await db.dueLots(4);
  await db.rows(
    `alter table app.ledger_entries add constraint test_at_once check (kind <> 'expiry' or lot_id <> ${lots[1]!}) not valid`,
  );
  await db.rows(
    `create function app.test_at_commit() returns trigger language plpgsql as $$ begin
       raise exception 'not lot %', new.lot_id using errcode = '23514'; end $$`,
  );
  await db.rows(
    `create constraint trigger test_at_commit after insert on app.ledger_entries deferrable initially deferred
     for each row when (new.kind = 'expiry' and new.lot_id = ${lots[2]!}) execute function app.test_at_commit()`,
  );
  await db.rows(EXPIRE_LOTS);
  expect(await db.lastRun()).toMatchObject({ status: "succeeded", affected: 2, quarantined: 2 });
  expect(await quarantine(db)).toEqual([lots[1], lots[2]].map((item) => ({ item, sqlstate: "23514", attempts: 1 })));
  expect(await db.expiries(lots)).toEqual([
    [0, 1],
    [100, 0],
    [100, 0],
    [0, 1],
  ]);
}

/** Many poison lots: those of an earlier run are tried in batches, and a run out of time goes on with the others. */
export async function quarantineIsTriedInBatches(db: JobsDatabase): Promise<void> {
  await db.setJob({ batchSize: 2, timeLimitSeconds: 5 });
  const lots = await db.dueLots(5);
  await db.poison(lots, "P0001");
  await db.rows(EXPIRE_LOTS);
  expect(await db.lastRun()).toMatchObject({ status: "succeeded", affected: 0, quarantined: 5, batches: 3 });
  await db.rows(EXPIRE_LOTS);
  // Three pages of what is due, all of it passed over, and three of the quarantine.
  expect(await db.lastRun()).toMatchObject({ status: "succeeded", affected: 0, quarantined: 5, batches: 6 });
  await db.heal();
  await db.rows(EXPIRE_LOTS);
  expect(await db.lastRun()).toMatchObject({ status: "succeeded", affected: 5, quarantined: 0 });
  expect(await db.expiries(lots)).toEqual(lots.map(() => [0, 1]));
}
