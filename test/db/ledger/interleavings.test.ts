import type pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { openLedger, refusalOf, type TestLedger, untilBlocked, valueOf } from "../../ledger.ts";
import { prepareCell } from "../../merchants.ts";
import { waitPatiently } from "../../patience.ts";
import { dropMerchantLeftovers, freshName } from "../../server.ts";

const prefix = freshName("between");
let ledger: TestLedger;
let first: pg.Client;
let second: pg.Client;
/** A lot of 1000, and an operation that holds 100 of it, both with an hour to live; a spend of 200, and a finished key. */
let lot: string;
let operation: string;
let spend: string;
let key: string;

beforeAll(async () => {
  await prepareCell();
  ledger = await openLedger(prefix);
  await waitPatiently(ledger.control);
  // Whoever comes first; as the superuser, since an application could not do what the jobs do.
  first = await ledger.superuser();
  second = await ledger.superuser();
});
beforeEach(prepare);
afterAll(async () => {
  await ledger.end();
  await dropMerchantLeftovers(`merchant_${prefix}`);
});

async function prepare() {
  lot = await valueOf(ledger.control, "select app.grant_lot('a', now() + interval '1 hour', 1000)");
  operation = await valueOf(ledger.control, "select app.open_operation(now() + interval '1 hour', $1, 100)", [lot]);
  spend = await valueOf(ledger.control, "select app.spend($1, 200)", [lot]);
  key = `key of ${lot}`;
  await ledger.control.query("select app.begin_key($1)", [key]);
  await ledger.control.query("select app.finish_key($1, 'succeeded', null)", [key]);
}

/** What a job does with these items two hours from now, or eight days; nothing of it waits for a clock. */
const jobs = {
  expire: (items: readonly string[]) =>
    ["select affected from app.expire_lots_batch(now() + interval '2 hours', 100, null, $1, '{}')", [items]] as const,
  cleanUp: (items: readonly string[]) =>
    [
      "select affected from app.cleanup_expired_operations_batch(now() + interval '2 hours', 100, null, $1, '{}')",
      [items],
    ] as const,
  forget: (items: readonly string[]) =>
    [
      "select affected from app.cleanup_idempotency_batch(now() + interval '8 days', 100, null, $1, '{}')",
      [items],
    ] as const,
};
const actions = {
  expire: () => jobs.expire([lot]),
  cleanUp: () => jobs.cleanUp([operation]),
  forget: () => jobs.forget([key]),
  spend: () => ["select app.spend($1, 700)", [lot]] as const,
  spendAgain: () => ["select app.spend($1, 700)", [lot]] as const,
  refund: () => ["select app.refund($1, 50)", [spend]] as const,
  credit: () => ["select app.credit_lot($1, 30)", [lot]] as const,
  hold: () => ["select app.open_operation(now() + interval '1 day', $1, 700)", [lot]] as const,
  complete: () => ["select app.complete_operation($1)", [operation]] as const,
  cancel: () => ["select app.cancel_operation($1)", [operation]] as const,
  beginKey: () => ["select begun from app.begin_key($1)", [key]] as const,
  beginNewKey: () => ["select begun from app.begin_key($1)", [`new ${key}`]] as const,
} satisfies Record<string, () => readonly [string, readonly unknown[]]>;
type Action = keyof typeof actions;

const run = (client: pg.Client, action: Action) => {
  const [sql, values] = actions[action]();
  return valueOf<unknown>(client, sql, values);
};

/** The first does its part and keeps its locks; the second comes, and waits for it; the first ends. Gives what the second gets. */
async function inOrder(one: Action, other: Action, end: "commit" | "rollback" = "commit"): Promise<unknown> {
  await first.query("begin");
  await run(first, one);
  const waiting = run(second, other).catch((error: unknown) => (error as { code: string }).code);
  await untilBlocked(ledger.control, second, first);
  await first.query(end);
  return await waiting;
}

/** The lot's entries after those that it begins with. */
const entries = async () =>
  (
    await ledger.control.query<{ text: string }>(
      "select kind || ' ' || amount_minor as text from app.ledger_entries where lot_id = $1 order by entry_id offset 3",
      [lot],
    )
  ).rows.map(({ text }) => text);
const balance = async () =>
  Number(await valueOf(ledger.control, "select sum(amount_minor) from app.ledger_entries where lot_id = $1", [lot]));
const stateOf = () =>
  valueOf<string>(ledger.control, "select state from app.operations where operation_id = $1", [operation]);
const isMarkedExpired = () =>
  valueOf<boolean>(ledger.control, "select expired_at is not null from app.lots where lot_id = $1", [lot]);

interface Interleaving {
  readonly first: Action;
  readonly second: Action;
  /** Of the second: its value, or its SQLSTATE. */
  readonly gives: unknown;
  readonly entries: readonly string[];
  readonly state?: string;
}

const expiries: readonly Interleaving[] = [
  { first: "spend", second: "expire", gives: "1", entries: ["spend -700"] },
  { first: "expire", second: "spend", gives: "MJ006", entries: ["expiry -700"] },
  { first: "hold", second: "expire", gives: "1", entries: ["hold -700"] },
  { first: "expire", second: "hold", gives: "MJ006", entries: ["expiry -700"] },
  { first: "refund", second: "expire", gives: "1", entries: ["refund 50", "expiry -750"] },
  { first: "expire", second: "refund", gives: expect.any(String), entries: ["expiry -700", "refund 50"] },
  { first: "credit", second: "expire", gives: "1", entries: ["credit 30", "expiry -730"] },
  { first: "expire", second: "credit", gives: expect.any(String), entries: ["expiry -700", "credit 30"] },
  {
    first: "complete",
    second: "expire",
    gives: "1",
    entries: ["release 100", "spend -100", "expiry -700"],
    state: "completed",
  },
  {
    first: "expire",
    second: "complete",
    gives: expect.any(String),
    entries: ["expiry -700", "release 100", "spend -100"],
    state: "completed",
  },
  { first: "cancel", second: "expire", gives: "1", entries: ["release 100", "expiry -800"], state: "cancelled" },
  { first: "expire", second: "cancel", gives: "", entries: ["expiry -700", "release 100"], state: "cancelled" },
  { first: "cleanUp", second: "expire", gives: "1", entries: ["release 100", "expiry -800"], state: "expired" },
  { first: "expire", second: "cleanUp", gives: "1", entries: ["expiry -700", "release 100"], state: "expired" },
  { first: "expire", second: "expire", gives: "0", entries: ["expiry -700"] },
];
const others: readonly Interleaving[] = [
  { first: "complete", second: "cleanUp", gives: "0", entries: ["release 100", "spend -100"], state: "completed" },
  { first: "cleanUp", second: "complete", gives: "MJ027", entries: ["release 100"], state: "expired" },
  { first: "cancel", second: "cleanUp", gives: "0", entries: ["release 100"], state: "cancelled" },
  { first: "cleanUp", second: "cancel", gives: "MJ027", entries: ["release 100"], state: "expired" },
  { first: "complete", second: "complete", gives: "MJ027", entries: ["release 100", "spend -100"], state: "completed" },
  { first: "complete", second: "cancel", gives: "MJ027", entries: ["release 100", "spend -100"], state: "completed" },
  { first: "cancel", second: "complete", gives: "MJ027", entries: ["release 100"], state: "cancelled" },
  { first: "cleanUp", second: "cleanUp", gives: "0", entries: ["release 100"], state: "expired" },
  { first: "spend", second: "spendAgain", gives: "MJ007", entries: ["spend -700"] },
  { first: "spend", second: "hold", gives: "MJ007", entries: ["spend -700"] },
  { first: "refund", second: "refund", gives: "MJ025", entries: ["refund 50"] },
  { first: "forget", second: "beginKey", gives: true, entries: [] },
  { first: "forget", second: "forget", gives: "0", entries: [] },
  { first: "beginNewKey", second: "beginNewKey", gives: false, entries: [] },
];
const kind = (text: string) => text.replace("credit", "grant");

test.each([...expiries, ...others])("$first, then $second", async (expected) => {
  expect(await inOrder(expected.first, expected.second)).toEqual(expected.gives);
  expect(await entries()).toEqual(expected.entries.map(kind));
  expect(await stateOf()).toBe(expected.state ?? "open");
});

test.each([...expiries, ...others])("$first is taken back, then $second is as if it never was", async (pair) => {
  const alone = await run(first, pair.second);
  const after = [await entries(), await stateOf()];
  await prepare();
  const given = await inOrder(pair.first, pair.second, "rollback");
  // An id is another one each time.
  if (!/^\d+$/.test(String(alone)) || pair.second === "expire" || pair.second === "cleanUp") {
    expect(given).toEqual(alone);
  }
  expect([await entries(), await stateOf()]).toEqual(after);
});

test.each(expiries)("$first and $second, then one more run: nothing is left, and it was taken once", async (pair) => {
  await inOrder(pair.first, pair.second);
  await run(first, "expire");
  expect(await balance()).toBe(0);
  expect(await isMarkedExpired()).toBe(true);
  expect(await run(first, "expire")).toBe("0");
  expect(await balance()).toBe(0);
});

describe("an older snapshot sees no balance that is not there:", () => {
  test.each([
    ["spend", "spendAgain"],
    ["spend", "hold"],
    ["spend", "expire"],
    ["hold", "expire"],
    ["credit", "expire"],
    ["refund", "expire"],
    ["complete", "expire"],
    ["refund", "refund"],
    ["complete", "cleanUp"],
    ["cleanUp", "complete"],
    ["expire", "spend"],
  ] as const)("%s commits, and %s from before fails with 40001", async (one, other) => {
    await second.query("begin isolation level repeatable read");
    await second.query("select from app.ledger_entries limit 1");
    await run(first, one);
    const before = await entries();
    expect(await refusalOf(run(second, other))).toBe("40001");
    await second.query("rollback");
    expect(await entries()).toEqual(before);
  });
});

describe("who locks several lots takes them in the order of their keys:", () => {
  test.each(["expire", "cleanUp"] as const)("%s", async (job) => {
    const later: string = await valueOf(
      ledger.control,
      "select app.grant_lot('a', now() + interval '30 minutes', 1000)",
    );
    const ofLater: string = await valueOf(
      ledger.control,
      "select app.open_operation(now() + interval '30 minutes', $1, 1)",
      [later],
    );
    await first.query("begin");
    await first.query("select app.lock_lot($1)", [lot]);
    const items = job === "expire" ? [later, lot] : [ofLater, operation];
    const [sql, values] = jobs[job](items);
    const waiting = valueOf(second, sql, values);
    await untilBlocked(ledger.control, second, first);
    // It waits for the lot that was made first and has the other one not yet: so this is no deadlock.
    await first.query("select from app.lots where lot_id = $1 for update nowait", [later]);
    await first.query("commit");
    expect(await waiting).toBe("2");
  });
});

test("an application that completes waits for the lot before it takes the operation", async () => {
  await first.query("begin");
  await first.query("select app.lock_lot($1)", [lot]);
  const waiting = run(second, "complete");
  await untilBlocked(ledger.control, second, first);
  await first.query("select from app.operations where operation_id = $1 for update nowait", [operation]);
  await first.query("commit");
  await waiting;
  expect(await stateOf()).toBe("completed");
});

test("what somebody adds by hand while a lot expires is not forgotten", async () => {
  await first.query("begin");
  await run(first, "expire");
  const waiting = second.query("insert into app.ledger_entries (lot_id, kind, amount_minor) values ($1, 'grant', 40)", [
    lot,
  ]);
  await untilBlocked(ledger.control, second, first);
  await first.query("commit");
  await waiting;
  expect(await run(first, "expire")).toBe("1");
  expect(await entries()).toEqual(["expiry -700", "grant 40", "expiry -40"]);
});
