import { expect, test } from "vitest";
import { countStatements, expectRecovery, killAtStatement, withKillCase } from "../kill-case.ts";
import { killAtMoments } from "../kill-moments.ts";
import type { Boundary } from "../proxy.ts";
import { randomOf, seedOfRun, workThrough } from "../seeded.ts";

const MERCHANTS = 3;
const KILLS = 4;
/** More at once only wait for each other. */
const AT_ONCE = 3;

test("an up that is killed at a statement is recovered, and the next up converges", async () => {
  const seed = seedOfRun();
  const statements = await withKillCase(MERCHANTS, countStatements);
  const random = randomOf(seed);
  const cases = Array.from({ length: KILLS }, (_, i) => {
    // One in each quarter of the run: a kill in each phase.
    const statement = 1 + Math.floor(((i + random()) / KILLS) * statements);
    return { statement, when: random() < 0.5 ? "before" : "after" } satisfies Boundary;
  });
  const label = ({ statement, when }: (typeof cases)[number]) =>
    `${when} statement ${String(statement)} of ${String(statements)}`;
  process.stdout.write(`kills: SEED=${String(seed)}: ${cases.map(label).join(", ")}\n`);

  let killed = 0;
  await workThrough(cases, { atOnce: AT_ONCE }, async (boundary) => {
    await withKillCase(MERCHANTS, async (at) => {
      if (await killAtStatement(at, boundary)) killed += 1;
      await expectRecovery(at, `SEED=${String(seed)}, killed ${label(boundary)}`);
    });
  });
  // How many statements a run takes depends a little on who waits for whom: the last one may have ended before.
  expect(killed).toBeGreaterThanOrEqual(KILLS - 1);
});

test("an up of ten merchants that is killed at four moments is recovered, and the next up converges", async () => {
  const seed = seedOfRun();
  process.stdout.write(`kills at moments: SEED=${String(seed)}\n`);
  expect(await killAtMoments({ kills: 4, seed })).toBe(4);
});
