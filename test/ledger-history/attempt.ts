import pg from "pg";

/** A move or a key's change that names what it is about. `hours` from now; amounts in minor units. */
export type Call =
  | { readonly kind: "grant"; readonly account: string; readonly amount: number; readonly hours: number }
  | { readonly kind: "credit"; readonly lot: string; readonly amount: number }
  | { readonly kind: "spend"; readonly lot: string; readonly amount: number }
  | { readonly kind: "refund"; readonly entry: string; readonly lot: string; readonly amount: number }
  | { readonly kind: "open"; readonly lot: string | null; readonly amount: number; readonly hours: number }
  | { readonly kind: "complete" | "cancel"; readonly operation: string; readonly lot: string | null }
  | { readonly kind: "begin" | "finish"; readonly key: string };

/** A session that ended before it answered leaves open whether the call took effect. */
export type Outcome =
  | { readonly kind: "done"; readonly value: unknown }
  | { readonly kind: "refused"; readonly sqlstate: string }
  | { readonly kind: "unknown"; readonly error: string };

export interface Attempt {
  readonly call: Call;
  readonly outcome: Outcome;
}

/** Attempts that take effect together or not at all. */
export interface Unit {
  readonly attempts: readonly Attempt[];
  readonly fate: "committed" | "rolled back" | "unknown";
}

/** One call that commits by itself. */
export async function callAlone(client: pg.Client, call: Call): Promise<Unit> {
  const outcome = await attempt(client, call);
  const fate = ({ done: "committed", refused: "rolled back", unknown: "unknown" } as const)[outcome.kind];
  return { attempts: [{ call, outcome }], fate };
}

/** Calls in one transaction, which a refusal ends. */
export async function callTogether(client: pg.Client, calls: readonly Call[], commit: boolean): Promise<Unit> {
  const attempts: Attempt[] = [];
  let outcome = await outcomeOf(client, "begin", []);
  for (const call of calls) {
    if (outcome.kind !== "done") break;
    outcome = await attempt(client, call);
    attempts.push({ call, outcome });
  }
  if (outcome.kind === "done" && commit) {
    outcome = await outcomeOf(client, "commit", []);
    if (outcome.kind === "done") return { attempts, fate: "committed" };
    if (outcome.kind === "unknown") return { attempts, fate: "unknown" };
  }
  // A cancel may come to a ROLLBACK too, and leaves the transaction open.
  while (outcome.kind !== "unknown") {
    outcome = await outcomeOf(client, "rollback", []);
    if (outcome.kind === "done") break;
  }
  return { attempts, fate: "rolled back" };
}

async function attempt(client: pg.Client, call: Call): Promise<Outcome> {
  const term = (hours: number) => `${String(hours * 60 + 30)} minutes`;
  switch (call.kind) {
    case "grant":
      return outcomeOf(client, "select app.grant_lot($1, now() + $2::interval, $3)", [
        call.account,
        term(call.hours),
        call.amount,
      ]);
    case "credit":
      return outcomeOf(client, "select app.credit_lot($1, $2)", [call.lot, call.amount]);
    case "spend":
      return outcomeOf(client, "select app.spend($1, $2)", [call.lot, call.amount]);
    case "refund":
      return outcomeOf(client, "select app.refund($1, $2)", [call.entry, call.amount]);
    case "open":
      return outcomeOf(client, "select app.open_operation(now() + $1::interval, $2, $3)", [
        term(call.hours),
        call.lot,
        call.lot === null ? null : call.amount,
      ]);
    case "complete":
      return outcomeOf(client, "select app.complete_operation($1)", [call.operation]);
    case "cancel":
      return outcomeOf(client, "select app.cancel_operation($1)", [call.operation]);
    case "begin":
      return outcomeOf(client, "select begun from app.begin_key($1)", [call.key]);
    case "finish":
      return outcomeOf(client, "select app.finish_key($1, 'succeeded', null)", [call.key]);
  }
}

/** The first value of a statement, its SQLSTATE, or that the session ended. */
export async function outcomeOf(client: pg.Client, text: string, values: readonly unknown[]): Promise<Outcome> {
  try {
    const { rows } = await client.query<unknown[]>({ text, values: [...values], rowMode: "array" });
    return { kind: "done", value: rows[0]?.[0] };
  } catch (error) {
    // 57P01: terminated by an administrator. Without a code the connection was lost.
    const sqlstate = error instanceof pg.DatabaseError ? error.code : undefined;
    if (sqlstate === undefined || sqlstate === "57P01") return { kind: "unknown", error: String(error) };
    return { kind: "refused", sqlstate };
  }
}
