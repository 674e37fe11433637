import { afterAll, beforeAll, expect, test } from "vitest";
import { runHistories } from "../ledger-history/run-histories.ts";
import { budgetOf } from "../long-budget.ts";
import { prepareCell } from "../merchants.ts";
import { seedOfRun } from "../seeded.ts";
import { dropMerchantLeftovers, freshName } from "../server.ts";

const prefix = freshName("long");
const seed = seedOfRun();
const histories = 3000;
const budgetMinutes = budgetOf(1 / 10);
/** Milliseconds: a tenth of it is enough on an idle machine. */
const timeout = 2 * 3_600_000;

beforeAll(() => prepareCell());
afterAll(() => dropMerchantLeftovers(`merchant_${prefix}`));

test("3,000 random histories keep every rule of the ledger", { timeout }, async () => {
  process.stdout.write(`histories: SEED=${String(seed)}\n`);
  const budgetMs = budgetMinutes && budgetMinutes * 60_000;
  const played = await runHistories({ prefix, histories, seed, atOnce: 4, budgetMs });
  process.stdout.write(`histories: SEED=${String(seed)}, ${String(played)} of ${String(histories)}\n`);
  expect(played).toBeGreaterThanOrEqual(budgetMs === undefined ? histories : 1);
});
