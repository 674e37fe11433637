import { describe, expect, test } from "vitest";
import { countStatements, expectRecovery, killAtStatement, withKillCase } from "../kill-case.ts";
import { killAtMoments } from "../kill-moments.ts";
import { budgetOf } from "../long-budget.ts";
import type { Boundary } from "../proxy.ts";
import { randomOf, seedOfRun, shuffled, workThrough } from "../seeded.ts";

const seed = seedOfRun();
/** Of each of the two tests. */
const budgetMinutes = budgetOf(1 / 2);
const AT_ONCE = 3;
/** Milliseconds: every case of the first takes hours. */
const timeout = 24 * 3_600_000;

describe("an up that is killed is recovered, and the next up converges:", () => {
  test("killed before and after every statement", { timeout }, async () => {
    const merchants = 3;
    const statements = await withKillCase(merchants, countStatements);
    const all = Array.from({ length: statements }, (_, i) => i + 1).flatMap((statement) =>
      (["before", "after"] as const).map((when) => ({ statement, when }) satisfies Boundary),
    );
    const cases = shuffled(all, randomOf(seed));
    let killed = 0;
    const done = await workThrough(cases, { atOnce: AT_ONCE, budgetMinutes }, async (boundary) => {
      await withKillCase(merchants, async (at) => {
        if (await killAtStatement(at, boundary)) killed += 1;
        const where = `${boundary.when} statement ${String(boundary.statement)} of ${String(statements)}`;
        await expectRecovery(at, `SEED=${String(seed)}, killed ${where}`);
      });
    });
    // A run may end before its boundary: it is recovered all the same, and does not count as killed.
    const counts = `${String(done)} of ${String(cases.length)} cases, ${String(killed)} killed`;
    process.stdout.write(`kills at statements: SEED=${String(seed)}, ${counts}\n`);
    expect(killed).toBeGreaterThan(done / 2);
  });

  test("ten merchants, killed at forty moments", { timeout }, async () => {
    const kills = 40;
    const killed = await killAtMoments({ kills, seed, budgetMinutes });
    process.stdout.write(`kills at moments: SEED=${String(seed)}, ${String(killed)} of ${String(kills)}\n`);
    expect(killed).toBeGreaterThan(0);
  });
});
