/** Minutes of the long tests that are no sample, and are done whole whatever the budget. */
const WHOLE = 11;

/**
 * The minutes that a long test may take of those that the run was given, as a share of them; undefined: all its cases.
 * Three files of tests run side by side, so the shares of all tests together come to less than 3.
 */
export function budgetOf(share: number): number | undefined {
  const minutes = process.env["BUDGET_MINUTES"];
  return minutes === undefined ? undefined : Math.max(1, Number(minutes) - WHOLE) * share;
}
