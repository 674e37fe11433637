import * as ledger from "../checks/ledger.ts";
import type { Mutation } from "./mutation.ts";

/** What the jobs and functions of the ledger do. */
export const ledgerMutations: readonly Mutation[] = [
  {
    name: "a lot is not locked before its balance is looked at",
    file: "ledger/routines/lock_lot.sql",
    from: "where l.lot_id = p_lot_id for update;",
    to: "where l.lot_id = p_lot_id;",
    check: ledger.spendsNeverOverdraw,
    fails: 'expect(await spend).toMatchObject({ code: "MJ007" });',
  },
  {
    name: "an operation that is closed is closed again",
    file: "ledger/routines/011_cleanup_expired_operations.sql",
    from: "      and o.state = 'open'\n      and o.expires_at <= p_now\n    order by o.operation_id",
    to: "      and o.expires_at <= p_now\n    order by o.operation_id",
    check: ledger.heldMoneyIsReleasedOnce,
    fails: "23505 expect((await again).rows).toEqual([{ affected: 0 }]);",
  },
  {
    name: "no uniqueness of a release",
    file: "ledger/migrations/002_create_ledger.sql",
    from: "create unique index ledger_entries_once_an_operation",
    to: "drop index app.ledger_entries_once_an_operation; create index ledger_entries_once_an_operation",
    check: ledger.heldMoneyIsReleasedOnce,
    fails: 'expect(await errorOf(db.rows(release, [lot, operation!.id]))).toMatchObject({ code: "23505" });',
  },
  {
    name: "what is asked to expire expires, due or not",
    file: "ledger/routines/010_expire_lots.sql",
    from: "      and l.expires_at <= p_now\n    order by l.lot_id",
    to: "    order by l.lot_id",
    check: ledger.nothingExpiresEarly,
    fails: "expect(found).toEqual([{ affected: 0 }]);",
  },
];
