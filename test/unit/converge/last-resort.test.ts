import { expect, test } from "vitest";
import { lastResortOf } from "../../../converge/last-resort.ts";
import { JOBS } from "../../../spec/jobs.ts";
import { parseStack } from "../../../spec/stack.ts";

test("the last resort is what catch-up may take: every job to its limit, and ten minutes for their last batches", () => {
  expect(lastResortOf({})).toBe(600);
  expect(lastResortOf({ a: { timeLimitSeconds: 100 }, b: { timeLimitSeconds: 3 } })).toBe(703);
});

test("of the catalogue it is below an hour, so that what hangs holds up a cell for no longer", () => {
  const batches = Object.values(JOBS).flatMap((job) => ("batches" in job ? [job.batches] : []));
  expect(lastResortOf(Object.fromEntries(batches.entries()))).toBeLessThanOrEqual(3600);
});

test("what moves money goes before what clears away", () => {
  const merchants = { acme: {} };
  const [acme] = parseStack({ cells: { home: { kind: "local" } }, merchants }).merchants;
  const first = Object.values(acme?.jobs ?? {}).filter(({ batches }) => batches?.movesMoney);
  expect(first.map(({ name }) => name).sort()).toEqual(["lot_expiry", "ops_cleanup"]);
});
