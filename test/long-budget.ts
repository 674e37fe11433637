/**
 * The minutes that a long test may take of those that the run was given, as a share of them; undefined: all its cases.
 * Two files of tests run side by side, so the shares of all tests together come to less than 2.
 */
export function budgetOf(share: number): number | undefined {
  const minutes = process.env["BUDGET_MINUTES"];
  return minutes === undefined ? undefined : Number(minutes) * share;
}
