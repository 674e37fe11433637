import { countStatements, expectRecovery, killAfter, withKillCase } from "./kill-case.ts";
import { randomOf, workThrough } from "./seeded.ts";

const MERCHANTS = 10;

/** Kills an `up` of ten merchants at seeded moments, each followed by recover and `up`; gives how many were done. */
export async function killAtMoments(options: {
  readonly kills: number;
  readonly seed: number;
  readonly budgetMinutes?: number | undefined;
}): Promise<{ readonly done: number; readonly killed: number }> {
  const { kills, seed, budgetMinutes } = options;
  // Of the run alone: what is set up before it and removed after it is not there to be killed.
  const duration = await withKillCase(MERCHANTS, async (at) => {
    const began = performance.now();
    await countStatements(at);
    return performance.now() - began;
  });
  const random = randomOf(seed + 1);
  const moments = Array.from({ length: kills }, () => Math.floor(random() * duration * 0.9));
  let killed = 0;
  // One at a time, or the moments would not be spread over the run.
  const done = await workThrough(moments, { atOnce: 1, budgetMinutes }, async (moment) => {
    await withKillCase(MERCHANTS, async (at) => {
      // A run may end before its moment: it is recovered all the same, and does not count as killed.
      if (await killAfter(at, moment)) killed += 1;
      await expectRecovery(at, `SEED=${String(seed)}, killed after ${String(moment)} ms of ${String(duration)}`);
    });
  });
  return { done, killed };
}
