import { setTimeout as pause } from "node:timers/promises";
import type pg from "pg";
import { pidOf, valueOf } from "../ledger.ts";
import { account } from "./account.ts";
import { checkAnswers, checkKeys } from "./answers.ts";
import { type Attempt, type Call, callAlone, callTogether, type Outcome, outcomeOf, type Unit } from "./attempt.ts";
import {
  type Action,
  type Disturbance,
  type History,
  jobProcedures,
  type JobProcedure,
  type KeyMove,
  type Move,
  procedures,
  proceduresOf,
} from "./history.ts";
import { type Ledger, moveClock, readLedger } from "./ledger.ts";
import { balances, insist, replay } from "./replay.ts";
import { checkRuns, moveRuns, readRuns } from "./runs.ts";
import type { SessionKind, Sessions } from "./sessions.ts";

/** What a run of a job may end with when it was disturbed, or waited too long for somebody's lock. */
const endsOfRuns = new Set(["57014", "55P03", "MJ012"]);

/**
 * Plays a history on lots of its own and holds what comes of it against the rules of the ledger after every step, and
 * once more after all jobs ran at the end. Nobody else may run jobs in that database meanwhile. Throws BrokenRule.
 */
export async function playHistory(sessions: Sessions, name: string, history: History): Promise<void> {
  const { control } = sessions;
  /** Operations that hold nothing belong to no lot, so those are remembered here. */
  const operations = new Set<string>();
  const everDue = new Set<string>();
  let ledger = await readLedger(control, name, []);
  await control.query("delete from app.job_runs");
  let runs = await readRuns(control);

  const look = async (units: readonly Unit[], ran: ReadonlySet<JobProcedure>) => {
    for (const { attempts } of units) {
      for (const { call, outcome } of attempts) {
        if (call.kind === "open" && outcome.kind === "done") operations.add(String(outcome.value));
      }
    }
    const before = ledger;
    ledger = await readLedger(control, name, [...operations]);
    for (const { id } of ledger.operations) operations.add(id);
    for (const { id, due } of ledger.lots) if (due) everDue.add(id);
    replay(ledger, everDue);
    account(before, ledger, units, ran);
    checkAnswers(before, ledger, units);
    checkKeys(before, ledger, units, ran);
  };

  for (const step of history) {
    if (step.kind === "clock") {
      await moveClock(control, name, [...operations], step.hours);
      await moveRuns(control, step.hours);
      runs = await readRuns(control);
      await look([], new Set());
      continue;
    }
    const known = ledger;
    const [done] = await Promise.all([
      Promise.allSettled(step.actions.map((action, place) => act(sessions, name, known, action, place))),
      step.disturbance && disturb(sessions, step.actions, step.disturbance),
    ]);
    const ended = step.disturbance?.how === "terminate";
    if (step.disturbance) {
      await sessions[ended ? "replace" : "untilIdle"](...victimOf(step.actions, step.disturbance));
    }
    const units = done.flatMap((one) => {
      if (one.status === "rejected") throw one.reason;
      return one.value ?? [];
    });
    const lost = units.filter(({ attempts, fate }) => fate === "unknown" || attempts.some(isUnknown));
    insist(ended || lost.length === 0, "no session ends by itself", lost);
    await look(units, new Set(step.actions.flatMap(proceduresOf)));
    const before = runs;
    runs = await readRuns(control);
    checkRuns(before, runs, step);
    const [only, ...more] = step.actions;
    if (only?.kind === "run" && more.length === 0 && step.disturbance === null) {
      checkNothingDue(ledger, procedures[only.job]);
    }
  }
  for (const job of ["cleanup_expired_operations", "expire_lots", "cleanup_idempotency"] as const) {
    await control.query(`call app.${job}()`);
    await look([], new Set([job]));
  }
  for (const job of jobProcedures) checkNothingDue(ledger, job);
  insist(await valueOf(control, "select not exists (select from app.job_quarantine)"), "no item fails", name);
}

/** Does one session's part, and gives its calls, of which a run has none; undefined when there is nothing to call about. */
async function act(
  sessions: Sessions,
  name: string,
  known: Ledger,
  action: Action,
  place: number,
): Promise<Unit | undefined> {
  switch (action.kind) {
    case "run":
    case "due":
    case "catchUp": {
      const outcome = await runOf(sessions.runner(place), action);
      insist(outcome.kind !== "refused" || endsOfRuns.has(outcome.sqlstate), "a run goes well", outcome);
      return { attempts: [], fate: outcome.kind === "unknown" ? "unknown" : "committed" };
    }
    case "call": {
      const call = callOf(name, known, action.move);
      return call && (await callAlone(sessions.application(place), call));
    }
    case "transaction": {
      const calls = action.moves.flatMap((move) => callOf(name, known, move) ?? []);
      return await callTogether(sessions.application(place), inKeyOrder(calls), action.commit);
    }
  }
}

function runOf(client: pg.Client, action: Action & { readonly kind: "run" | "due" | "catchUp" }): Promise<Outcome> {
  switch (action.kind) {
    case "run":
      return outcomeOf(client, `call app.${procedures[action.job]}()`, []);
    case "due":
      return outcomeOf(client, "call app.run_job($1, clock_timestamp() - make_interval(mins => $2))", [
        action.job,
        action.minutes,
      ]);
    case "catchUp":
      return outcomeOf(client, "call app.run_overdue()", []);
  }
}

function isUnknown({ outcome }: Attempt): boolean {
  return outcome.kind === "unknown";
}

/** Lots in the order of their keys, and then what has none: who keeps to that ends in no deadlock. */
function inKeyOrder(calls: readonly Call[]): readonly Call[] {
  const rank = (call: Call) =>
    "lot" in call && call.lot !== null
      ? [0, Number(call.lot)]
      : call.kind === "grant"
        ? [1, 0]
        : [2, "operation" in call ? Number(call.operation) : Number.POSITIVE_INFINITY];
  const keyed = calls.map((call) => ({ call, rank: rank(call) }));
  return keyed
    .toSorted((a, b) => (a.rank[0] ?? 0) - (b.rank[0] ?? 0) || (a.rank[1] ?? 0) - (b.rank[1] ?? 0))
    .map(({ call }) => call);
}

/** The call that a move stands for, among what is known; undefined when there is nothing of its kind yet. */
function callOf(name: string, known: Ledger, move: Move | KeyMove): Call | undefined {
  const pick = <T>(items: readonly T[], index: number) => items[index % items.length];
  switch (move.kind) {
    case "grant":
      return { ...move, account: name };
    case "credit":
    case "spend": {
      const lot = pick(known.lots, move.lot);
      return lot && { ...move, lot: lot.id };
    }
    case "open": {
      if (move.lot === null) return { ...move, lot: null };
      const lot = pick(known.lots, move.lot);
      return lot && { ...move, lot: lot.id };
    }
    case "refund": {
      const spend = pick(
        known.entries.filter(({ kind }) => kind === "spend"),
        move.spend,
      );
      return spend && { ...move, entry: spend.id, lot: spend.lot };
    }
    case "complete":
    case "cancel": {
      const operation = pick(known.operations, move.operation);
      return operation && { ...move, operation: operation.id, lot: operation.lot };
    }
    case "begin":
    case "finish":
      return { ...move, key: `${name} ${String(move.key)}` };
  }
}

function victimOf(actions: readonly Action[], { victim }: Disturbance): [kind: SessionKind, place: number] {
  const place = victim % actions.length;
  return [
    actions.slice(place, place + 1).some((action) => proceduresOf(action).length > 0) ? "runner" : "application",
    place,
  ];
}

async function disturb(sessions: Sessions, actions: readonly Action[], disturbance: Disturbance): Promise<void> {
  const [kind, place] = victimOf(actions, disturbance);
  await pause(disturbance.afterMs);
  await sessions.control.query(`select pg_${disturbance.how}_backend($1)`, [pidOf(sessions[kind](place))]);
}

/** After a run that was alone and not disturbed, nothing of its kind is due. */
function checkNothingDue(ledger: Ledger, job: JobProcedure): void {
  switch (job) {
    case "expire_lots": {
      const due = ledger.lots.filter((lot) => lot.due);
      for (const { id, expired } of due) {
        const entries = ledger.entries.filter((entry) => entry.lot === id);
        insist(expired && (balances(entries).at(-1) ?? 0) === 0, `nothing is left of lot ${id}`, entries);
      }
      return;
    }
    case "cleanup_expired_operations": {
      const due = ledger.operations.filter(({ state, due: isDue }) => state === "open" && isDue);
      insist(due.length === 0, "no operation is open past its time", due);
      return;
    }
    case "cleanup_idempotency": {
      const due = ledger.keys.filter((key) => key.due);
      insist(due.length === 0, "no finished key is older than the retention", due);
      return;
    }
  }
}
