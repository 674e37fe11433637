import { countStatements, expectRecovery, killAfter, withKillCase } from "./kill-case.ts";
import { randomOf, workThrough } from "./seeded.ts";

const MERCHANTS = 10;

/** How often a moment that came after the end of its run is halved: how long a run takes varies with the machine. */
const HALVINGS = 6;

/** Kills an `up` of ten merchants at seeded moments, each followed by recover and `up`; gives how many were killed. */
export async function killAtMoments(options: {
  readonly kills: number;
  readonly seed: number;
  readonly budgetMinutes?: number | undefined;
}): Promise<number> {
  const { kills, seed, budgetMinutes } = options;
  // Of the run alone: what is set up before it and removed after it is not there to be killed.
  const duration = await withKillCase(MERCHANTS, async (at) => {
    const began = performance.now();
    await countStatements(at);
    return performance.now() - began;
  });
  const random = randomOf(seed + 1);
  const moments = Array.from({ length: kills }, () => Math.floor(random() * duration * 0.9));
  // One at a time, or the moments would not be spread over the run.
  return await workThrough(moments, { atOnce: 1, budgetMinutes }, async (drawn) => {
    for (let halved = 0; halved <= HALVINGS; halved += 1) {
      const moment = drawn / 2 ** halved;
      const killed = await withKillCase(MERCHANTS, async (at) => {
        if (!(await killAfter(at, moment))) return false;
        await expectRecovery(at, `SEED=${String(seed)}, killed after ${String(moment)} ms of ${String(duration)}`);
        return true;
      });
      if (killed) return;
    }
    throw new Error(`SEED=${String(seed)}: no run was still there after ${String(drawn)} ms, nor after less`);
  });
}
