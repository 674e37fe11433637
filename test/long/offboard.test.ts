import { expect, test } from "vitest";
import { withKillCase } from "../kill-case.ts";
import { budgetOf } from "../long-budget.ts";
import {
  declare,
  expectAfter,
  expectExportWhole,
  killAndGoOn,
  openOffboardCase,
  type Step,
  up,
} from "../offboard-case.ts";
import type { Boundary } from "../proxy.ts";
import { randomOf, seedOfRun, shuffled, workThrough } from "../seeded.ts";

const STEPS = ["export", "drop", "gone"] as const;
const AT_ONCE = 2;
/** Milliseconds: every case takes hours. */
const timeout = 24 * 3_600_000;

test("an offboarding that is killed before and after every statement ends right", { timeout }, async () => {
  const seed = seedOfRun();
  const counts = await countStatements();
  const all = STEPS.flatMap((step) =>
    Array.from({ length: counts[step] }, (_, i) => i + 1).flatMap((statement) =>
      (["before", "after"] as const).map((when) => ({ step, boundary: { statement, when } satisfies Boundary })),
    ),
  );
  let killed = 0;
  const cases = shuffled(all, randomOf(seed));
  const done = await workThrough(cases, { atOnce: AT_ONCE, budgetMinutes: budgetOf(1 / 4) }, async (one) => {
    if (await leave(one.step, one.boundary, seed)) killed += 1;
  });
  process.stdout.write(
    `offboardings killed: SEED=${String(seed)}, ${String(done)} of ${String(cases.length)} cases, ${String(killed)} killed\n`,
  );
  // How many statements a step takes depends a little on the moment: a run may end before its boundary.
  expect(killed).toBeGreaterThan(done / 2);
});

/** How many statements each step sends to the server, pg_dump's and pg_restore's among them. */
async function countStatements(): Promise<Readonly<Record<Step, number>>> {
  return withKillCase(2, async (at) => {
    const offboard = await openOffboardCase(at);
    const counts: Partial<Record<Step, number>> = {};
    for (const step of STEPS) {
      declare(offboard, step);
      void at.proxy.stopAt({ statement: Number.POSITIVE_INFINITY, when: "before" });
      await up(offboard);
      counts[step] = at.proxy.counted();
    }
    return counts as Record<Step, number>;
  });
}

/** Takes a merchant through all steps, of which one is killed; gives whether it was. */
async function leave(killedStep: Step, boundary: Boundary, seed: number): Promise<boolean> {
  const said = `SEED=${String(seed)}, ${killedStep} killed ${boundary.when} statement ${String(boundary.statement)}`;
  return withKillCase(2, async (at) => {
    const offboard = await openOffboardCase(at);
    let killed = false;
    for (const step of STEPS) {
      declare(offboard, step);
      if (step === killedStep) killed = await killAndGoOn(offboard, step, boundary, { said });
      else await up(offboard);
      await expectAfter(offboard, step, said);
      if (step === "export") await expectExportWhole(offboard);
    }
    return killed;
  });
}
