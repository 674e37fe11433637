import { expect, test } from "vitest";
import { cancelAtMoments } from "../../jobs/cancel-moments.ts";
import { useCopies } from "../../jobs/copies.ts";
import { seedOfRun } from "../../seeded.ts";

const { withCopy } = useCopies("cancel");

test("after a cancel at twenty moments the very next run goes, and nothing is done twice or left", async () => {
  const seed = seedOfRun();
  const { cancelled, abandoned } = await withCopy((db) => cancelAtMoments(db, { cancels: 20, seed }));
  process.stdout.write(
    `cancels: SEED=${String(seed)}, ${String(cancelled)} of 20, ${String(abandoned)} during COMMIT\n`,
  );
  expect(cancelled).toBeGreaterThan(0);
});
