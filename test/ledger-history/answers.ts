import type { Attempt, Call, Unit } from "./attempt.ts";
import type { JobProcedure } from "./history.ts";
import type { Ledger } from "./ledger.ts";
import { balances, insist } from "./replay.ts";

/** 57014: cancelled. 55P03: somebody held a lock for longer than a call waits. Both take nothing. */
const alwaysAllowed = new Set(["57014", "55P03"]);

/**
 * Looks at every answer of a step: a call went well only where the rules let it, and was refused only for a reason that
 * was there at some moment of the step. Throws BrokenRule.
 */
export function checkAnswers(before: Ledger, after: Ledger, units: readonly Unit[]): void {
  for (const unit of units) {
    for (const [i, attempt] of unit.attempts.entries()) {
      const { call, outcome } = attempt;
      const said = { ...attempt, unit };
      if (outcome.kind === "done") insist(mayGoWell(call, before, after), "it had to be refused", said);
      if (outcome.kind !== "refused" || alwaysAllowed.has(outcome.sqlstate)) continue;
      const reasons = reasonsToRefuse(call, before, after, unit.attempts.slice(0, i));
      insist(reasons.includes(outcome.sqlstate), `it could be refused for [${reasons.join(", ")}] only`, said);
    }
  }
}

function mayGoWell(call: Call, before: Ledger, after: Ledger): boolean {
  switch (call.kind) {
    case "spend":
    case "open":
      return call.lot === null || !isOver(call.lot, before) || isRevived(call.lot, before, after);
    case "complete":
    case "cancel":
      return operationOf(call.operation, before)?.state === "open" && !operationOf(call.operation, before)?.due;
    case "grant":
    case "credit":
    case "refund":
    case "begin":
    case "finish":
      return true;
  }
}

/** `earlier`: what the same transaction did before; nobody but itself sees that. */
function reasonsToRefuse(call: Call, before: Ledger, after: Ledger, earlier: readonly Attempt[]): readonly string[] {
  switch (call.kind) {
    case "spend":
    case "open": {
      if (call.lot === null) return [];
      if (isOver(call.lot, before) || isOver(call.lot, after)) return ["MJ006"];
      return leastOf(call.lot, before, after) + ownChange(call.lot, before, earlier) < call.amount ? ["MJ007"] : [];
    }
    case "refund": {
      const spent = -(before.entries.find(({ id }) => id === call.entry)?.amount ?? 0);
      if (call.amount > spent) return ["MJ024"];
      const refunded =
        after.entries.some((entry) => entry.refunded === call.entry) ||
        earlier.some((one) => one.call.kind === "refund" && one.call.entry === call.entry);
      return refunded ? ["MJ025"] : [];
    }
    case "complete":
    case "cancel": {
      const ended =
        operationOf(call.operation, after)?.state !== "open" ||
        earlier.some((one) => "operation" in one.call && one.call.operation === call.operation);
      return [...(ended ? ["MJ027"] : []), ...(operationOf(call.operation, before)?.due === true ? ["MJ028"] : [])];
    }
    case "finish": {
      const inProgress = (ledger: Ledger) =>
        ledger.keys.some(({ key, state }) => key === call.key && state === "in_progress");
      return inProgress(before) && inProgress(after) ? [] : ["MJ031"];
    }
    case "grant":
    case "credit":
    case "begin":
      return [];
  }
}

/** The least that a lot had at any moment of the step. */
function leastOf(lot: string, before: Ledger, after: Ledger): number {
  const old = before.entries.filter((entry) => entry.lot === lot);
  const known = new Set(old.map(({ id }) => id));
  const start = balances(old).at(-1) ?? 0;
  return Math.min(
    start,
    ...balances(
      after.entries.filter((entry) => entry.lot === lot && !known.has(entry.id)),
      start,
    ),
  );
}

/** What the transaction itself had done to a lot. */
function ownChange(lot: string, before: Ledger, earlier: readonly Attempt[]): number {
  const change = (call: Call) => {
    switch (call.kind) {
      case "spend":
      case "open":
        return -call.amount;
      case "credit":
      case "refund":
        return call.amount;
      case "cancel":
        return operationOf(call.operation, before)?.held ?? 0;
      case "complete":
      case "grant":
      case "begin":
      case "finish":
        return 0;
    }
  };
  return earlier.reduce((sum, { call }) => sum + ("lot" in call && call.lot === lot ? change(call) : 0), 0);
}

function isOver(lot: string, ledger: Ledger): boolean {
  return ledger.lots.some(({ id, due, expired }) => id === lot && (due || expired));
}

/** A lot that had expired, and is not due since the clock was set back, has its time again with what is added to it. */
function isRevived(lot: string, before: Ledger, after: Ledger): boolean {
  if (before.lots.some(({ id, due }) => id === lot && due)) return false;
  const known = new Set(before.entries.map(({ id }) => id));
  return after.entries.some((entry) => entry.lot === lot && entry.amount > 0 && !known.has(entry.id));
}

function operationOf(id: string, ledger: Ledger) {
  return ledger.operations.find((operation) => operation.id === id);
}

/**
 * Each key begins for one caller, ends for good, and goes only when it has been finished for the retention and the job
 * ran. Throws BrokenRule.
 */
export function checkKeys(before: Ledger, after: Ledger, units: readonly Unit[], ran: ReadonlySet<JobProcedure>): void {
  const answered = (kind: "begin" | "finish", key: string, value: unknown) =>
    units
      .flatMap(({ attempts }) => attempts)
      .filter(
        ({ call, outcome }) =>
          call.kind === kind &&
          call.key === key &&
          outcome.kind === "done" &&
          (value === undefined || outcome.value === value),
      ).length;
  const unknown = units.some(({ fate }) => fate === "unknown");
  for (const key of new Set([...before.keys, ...after.keys].map((one) => one.key))) {
    const was = before.keys.find((one) => one.key === key);
    const is = after.keys.find((one) => one.key === key);
    const begun = answered("begin", key, true);
    const finished = answered("finish", key, undefined);
    const found = { key, was, is, begun, finished };
    insist(begun <= 1 && finished <= 1, "a key begins once and ends once", found);
    const mayGo = was?.due === true && ran.has("cleanup_idempotency");
    insist(begun === 0 || was === undefined || mayGo, "a key that is there does not begin again", found);
    insist(is !== undefined || mayGo, "no key goes before its time", found);
    if (was !== undefined && was.state !== "in_progress" && !mayGo) {
      insist(is?.state === was.state, "a key that has ended stays as it is", found);
    }
    if (was?.state === "in_progress" && !unknown) {
      insist(is?.state === (finished === 1 ? "succeeded" : "in_progress"), "a key ends when somebody ends it", found);
    }
  }
}
