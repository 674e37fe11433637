import type { Entry, Ledger } from "./ledger.ts";

/** A rule of the ledger that what was found breaks. */
class BrokenRule extends Error {
  override readonly name = "BrokenRule";
}

export function insist(holds: boolean, rule: string, found: unknown): asserts holds {
  if (!holds) throw new BrokenRule(`${rule}: ${JSON.stringify(found)}`);
}

/** What a lot has after each of these entries, in their order, from what it had before. */
export function balances(entries: readonly Entry[], before = 0): readonly number[] {
  let sum = before;
  return entries.map(({ amount }) => (sum += amount));
}

/**
 * What is true of every ledger, however it came to be: entry by entry no lot is ever below zero, an expiry takes exactly
 * what is left of a lot that was due, a spend is refunded once and never above, what was held is released once, when its
 * operation ends, and spent once, when it ends completed. Throws BrokenRule.
 */
export function replay(ledger: Ledger, everDue: ReadonlySet<string>): void {
  for (const lot of ledger.lots) {
    const entries = ledger.entries.filter((entry) => entry.lot === lot.id);
    const after = balances(entries);
    for (const [i, entry] of entries.entries()) {
      const left = after[i] ?? 0;
      insist(left >= 0, `lot ${lot.id} is below zero after entry ${entry.id}`, entries);
      if (entry.kind !== "expiry") continue;
      insist(left === 0, `expiry ${entry.id} did not take exactly what was left`, entries);
      insist(everDue.has(lot.id), `lot ${lot.id} expired before its time`, entries);
    }
  }
  for (const operation of ledger.operations) checkOperation(ledger, operation);
  const byId = new Map(ledger.entries.map((entry) => [entry.id, entry]));
  const refunds = ledger.entries.filter(({ kind }) => kind === "refund");
  insist(new Set(refunds.map(({ refunded }) => refunded)).size === refunds.length, "a spend is refunded once", refunds);
  for (const refund of refunds) {
    const spend = byId.get(refund.refunded ?? "");
    insist(
      spend?.kind === "spend" && spend.lot === refund.lot && refund.amount <= -spend.amount,
      "a refund gives back a spend of its lot, and no more than that",
      [refund, spend],
    );
  }
}

function checkOperation(ledger: Ledger, operation: Ledger["operations"][number]): void {
  const entries = ledger.entries.filter((entry) => entry.operation === operation.id);
  const { held, state } = operation;
  const due = {
    open: [["hold", -held]],
    completed: [
      ["hold", -held],
      ["release", held],
      ["spend", -held],
    ],
    expired: [
      ["hold", -held],
      ["release", held],
    ],
    cancelled: [
      ["hold", -held],
      ["release", held],
    ],
  }[state];
  const found = entries.map(({ kind, amount }) => [kind, amount]);
  insist(
    JSON.stringify(found) === JSON.stringify(held === 0 ? [] : due) &&
      entries.every(({ lot }) => lot === operation.lot),
    `operation ${operation.id}, ${state}, has its entries and no others`,
    entries,
  );
}
