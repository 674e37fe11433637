import { afterAll, beforeAll, expect, test } from "vitest";
import { runHistories } from "../../ledger-history/run-histories.ts";
import { prepareCell } from "../../merchants.ts";
import { seedOfRun } from "../../seeded.ts";
import { dropMerchantLeftovers, freshName } from "../../server.ts";

const prefix = freshName("hist");
const seed = seedOfRun();
const histories = 200;
/** Milliseconds: a fortieth of it is enough on an idle machine. */
const timeout = 600_000;

beforeAll(() => prepareCell());
afterAll(() => dropMerchantLeftovers(`merchant_${prefix}`));

test(
  "200 random histories of sessions, jobs, cancels, kills and clocks keep every rule of the ledger",
  { timeout },
  async () => {
    process.stdout.write(`histories: SEED=${String(seed)}\n`);
    expect(await runHistories({ prefix, histories, seed, atOnce: 4 })).toBeGreaterThanOrEqual(histories);
  },
);
