import type { Attempt, Call, Unit } from "./attempt.ts";
import type { JobProcedure } from "./history.ts";
import type { Entry, Ledger } from "./ledger.ts";
import { insist } from "./replay.ts";

/** An entry that a call that took effect must have written. What is not given may be anything. */
interface Claim {
  readonly kind: Entry["kind"];
  readonly amount: number;
  readonly id?: unknown;
  readonly lot?: unknown;
  readonly operation?: unknown;
  readonly refunded?: unknown;
}

/**
 * Accounts for every entry that is new after a step: each belongs to one call that took effect, or to a job that ran;
 * what was answered is there, what was refused or taken back is not, and a unit whose session ended is there as a whole or
 * not at all. Throws BrokenRule.
 */
export function account(before: Ledger, after: Ledger, units: readonly Unit[], ran: ReadonlySet<JobProcedure>): void {
  const old = new Map(before.entries.map((entry) => [entry.id, JSON.stringify(entry)]));
  const kept = after.entries.filter((entry) => old.get(entry.id) === JSON.stringify(entry));
  insist(kept.length === old.size, "entries are never changed or removed", {
    before: before.entries,
    after: after.entries,
  });
  const left = after.entries.filter((entry) => !old.has(entry.id));

  const take = (claim: Claim) => {
    const place = left.findIndex((entry) =>
      Object.entries(claim).every(([name, value]) => value === undefined || entry[name as keyof Entry] === value),
    );
    return place < 0 ? undefined : left.splice(place, 1)[0];
  };
  const claimsOfUnit = (unit: Unit) => unit.attempts.flatMap((one) => claimsOf(one, after));
  for (const unit of units.filter(({ fate }) => fate === "committed")) {
    for (const claim of claimsOfUnit(unit))
      insist(take(claim) !== undefined, "what was answered is there", { claim, after });
  }
  for (const unit of units.filter(({ fate }) => fate === "unknown")) {
    const claims = claimsOfUnit(unit);
    const found = claims.map(take).filter((entry) => entry !== undefined);
    insist(found.length === 0 || found.length === claims.length, "a transaction is there as a whole", {
      claims,
      found,
    });
  }
  const expired = new Set(after.operations.filter(({ state }) => state === "expired").map(({ id }) => id));
  for (const entry of left) {
    const byJob =
      entry.kind === "expiry"
        ? ran.has("expire_lots")
        : entry.kind === "release" && expired.has(entry.operation ?? "") && ran.has("cleanup_expired_operations");
    insist(byJob, "every entry was asked for", entry);
  }
}

function claimsOf({ call, outcome }: Attempt, after: Ledger): readonly Claim[] {
  const id = outcome.kind === "done" ? (outcome.value ?? undefined) : undefined;
  switch (call.kind) {
    case "grant":
      return [{ kind: "grant", amount: call.amount, lot: id }];
    case "credit":
      return [{ kind: "grant", amount: call.amount, lot: call.lot, id }];
    case "spend":
      return [{ kind: "spend", amount: -call.amount, lot: call.lot, id }];
    case "refund":
      return [{ kind: "refund", amount: call.amount, lot: call.lot, refunded: call.entry, id }];
    case "open":
      return call.lot === null ? [] : [{ kind: "hold", amount: -call.amount, lot: call.lot, operation: id }];
    case "complete":
    case "cancel":
      return endOf(call, after, id);
    case "begin":
    case "finish":
      return [];
  }
}

function endOf(call: Call & { readonly kind: "complete" | "cancel" }, after: Ledger, id: unknown): readonly Claim[] {
  const held = after.operations.find((operation) => operation.id === call.operation)?.held ?? 0;
  if (held === 0) return [];
  const { lot, operation } = call;
  const release = { kind: "release", amount: held, lot, operation } as const;
  return call.kind === "cancel" ? [release] : [release, { kind: "spend", amount: -held, lot, operation, id }];
}
