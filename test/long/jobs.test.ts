import { expect, test } from "vitest";
import { cancelAtMoments } from "../jobs/cancel-moments.ts";
import { useCopies } from "../jobs/copies.ts";
import { budgetOf } from "../long-budget.ts";
import { seedOfRun } from "../seeded.ts";

const { withCopy } = useCopies("cancel");

test("a job is cancelled at a hundred moments", { timeout: 3_600_000 }, async () => {
  const seed = seedOfRun();
  const budgetMinutes = budgetOf(1 / 10);
  const { tried, cancelled, abandoned } = await withCopy((db) =>
    cancelAtMoments(db, { cancels: 100, seed, budgetMinutes }),
  );
  const counts = `${String(cancelled)} of ${String(tried)}, ${String(abandoned)} during COMMIT`;
  process.stdout.write(`cancels: SEED=${String(seed)}, ${counts}\n`);
  expect(cancelled).toBeGreaterThan(0);
});
