import { catchUpMutations } from "./catch-up.ts";
import { claimMutations } from "./claim.ts";
import { dueMutations } from "./due.ts";
import { failuresMutations } from "./failures.ts";
import { healthMutations } from "./health.ts";
import { ledgerMutations } from "./ledger.ts";
import { quarantineMutations } from "./quarantine.ts";
import { runMutations } from "./run.ts";
import type { Mutation } from "./mutation.ts";

/** Those that take longest to be found come first. */
export const MUTATIONS: readonly Mutation[] = [
  ...claimMutations,
  ...runMutations,
  ...failuresMutations,
  ...quarantineMutations,
  ...dueMutations,
  ...catchUpMutations,
  ...healthMutations,
  ...ledgerMutations,
];
