import * as fc from "fast-check";

/** What an application does in one call. A number for a lot, spend, operation or key picks one of those there are. */
export type Move =
  | { readonly kind: "grant"; readonly amount: number; readonly hours: number }
  | { readonly kind: "credit"; readonly lot: number; readonly amount: number }
  | { readonly kind: "spend"; readonly lot: number; readonly amount: number }
  | { readonly kind: "refund"; readonly spend: number; readonly amount: number }
  | { readonly kind: "open"; readonly lot: number | null; readonly amount: number; readonly hours: number }
  | { readonly kind: "complete"; readonly operation: number }
  | { readonly kind: "cancel"; readonly operation: number };

export type KeyMove =
  { readonly kind: "begin"; readonly key: number } | { readonly kind: "finish"; readonly key: number };

export const jobProcedures = ["expire_lots", "cleanup_expired_operations", "cleanup_idempotency"] as const;
export type JobProcedure = (typeof jobProcedures)[number];

/** The jobs by their names in app.jobs. */
export const procedures = {
  lot_expiry: "expire_lots",
  ops_cleanup: "cleanup_expired_operations",
  idempotency_cleanup: "cleanup_idempotency",
} as const satisfies Record<string, JobProcedure>;
export type JobName = keyof typeof procedures;

/** What one session does. */
export type Action =
  | { readonly kind: "call"; readonly move: Move | KeyMove }
  | { readonly kind: "transaction"; readonly moves: readonly Move[]; readonly commit: boolean }
  | { readonly kind: "run"; readonly job: JobName }
  /** For a due time so many minutes ago. */
  | { readonly kind: "due"; readonly job: JobName; readonly minutes: number }
  | { readonly kind: "catchUp" };

/** The procedures that an action may run. */
export function proceduresOf(action: Action): readonly JobProcedure[] {
  if (action.kind === "catchUp") return jobProcedures;
  return action.kind === "run" || action.kind === "due" ? [procedures[action.job]] : [];
}

/** One session is cancelled or ended while it works, or a moment after. */
export interface Disturbance {
  readonly how: "cancel" | "terminate";
  readonly victim: number;
  readonly afterMs: number;
}

export type Step =
  /** All at once, each in a session of its own. */
  | { readonly kind: "together"; readonly actions: readonly Action[]; readonly disturbance: Disturbance | null }
  /** The clock goes forward, or is set back, for the ledger and for the runs. */
  | { readonly kind: "clock"; readonly hours: number };

export type History = readonly Step[];

export const sessionsAtOnce = 3;

const index = fc.nat({ max: 7 });
const amount = fc.integer({ min: 1, max: 60 });
const hours = fc.integer({ min: 1, max: 30 });

const spend = fc.record({ kind: fc.constant("spend" as const), lot: index, amount });
const move: fc.Arbitrary<Move> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("grant" as const), amount, hours }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("credit" as const), lot: index, amount }) },
  { weight: 4, arbitrary: spend },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("refund" as const), spend: index, amount }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("open" as const),
      lot: fc.option(index, { freq: 6 }),
      amount: fc.integer({ min: 1, max: 30 }),
      hours,
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("complete" as const), operation: index }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("cancel" as const), operation: index }) },
);
const key = fc.nat({ max: 3 });
const keyMove: fc.Arbitrary<KeyMove> = fc.oneof(
  fc.record({ kind: fc.constant("begin" as const), key }),
  fc.record({ kind: fc.constant("finish" as const), key }),
);
const job = fc.constantFrom(...(Object.keys(procedures) as JobName[]));
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("call" as const), move }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("call" as const), move: keyMove }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("transaction" as const),
      moves: fc.array(move, { minLength: 2, maxLength: 3 }),
      commit: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("run" as const), job }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("due" as const), job, minutes: fc.integer({ min: 0, max: 24 * 60 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("catchUp" as const) }) },
);
const disturbance: fc.Arbitrary<Disturbance> = fc.record({
  how: fc.oneof(
    { weight: 3, arbitrary: fc.constant("cancel" as const) },
    { weight: 1, arbitrary: fc.constant("terminate" as const) },
  ),
  victim: fc.nat({ max: sessionsAtOnce - 1 }),
  afterMs: fc.integer({ min: 0, max: 12 }),
});
const together: fc.Arbitrary<Step> = fc.record({
  kind: fc.constant("together" as const),
  actions: fc.array(action, { minLength: 1, maxLength: sessionsAtOnce }),
  disturbance: fc.option(disturbance, { freq: 4, nil: null }),
});
const clock: fc.Arbitrary<Step> = fc.record({
  kind: fc.constant("clock" as const),
  hours: fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 1, max: 20 }) },
    { weight: 1, arbitrary: fc.constant(24 * 8) },
    { weight: 2, arbitrary: fc.integer({ min: -20, max: -1 }) },
  ),
});

/** Begins with lots to work on. */
export const history: fc.Arbitrary<History> = fc
  .tuple(
    fc.array(fc.record({ kind: fc.constant("grant" as const), amount, hours }), {
      minLength: sessionsAtOnce,
      maxLength: sessionsAtOnce,
    }),
    fc.array(fc.oneof({ weight: 4, arbitrary: together }, { weight: 1, arbitrary: clock }), {
      minLength: 4,
      maxLength: 14,
    }),
  )
  .map(([grants, steps]) => [
    {
      kind: "together" as const,
      actions: grants.map((grant) => ({ kind: "call" as const, move: grant })),
      disturbance: null,
    },
    ...steps,
  ]);
