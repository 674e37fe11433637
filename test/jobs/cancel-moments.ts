import { setTimeout as pause } from "node:timers/promises";
import { expect } from "vitest";
import { randomOf, workThrough } from "../seeded.ts";
import { errorOf, EXPIRE_LOTS, type JobsDatabase } from "./database.ts";

const LOTS = 60;

/**
 * Cancels runs of many small batches at seeded moments, so that some fall into a COMMIT, where nothing can catch them.
 * After each the very next run must go, while the cancelled session stays open, and do what was left, once. Gives how
 * many runs were cancelled, and how many of these could not record it.
 */
export async function cancelAtMoments(
  db: JobsDatabase,
  options: { readonly cancels: number; readonly seed: number; readonly budgetMinutes?: number | undefined },
): Promise<{ readonly tried: number; readonly cancelled: number; readonly abandoned: number }> {
  const random = randomOf(options.seed);
  const moments = Array.from({ length: options.cancels }, () => ({
    batches: Math.floor(random() * LOTS * 0.8),
    milliseconds: random() * 3,
  }));
  await db.setJob({ batchSize: 1 });
  let cancelled = 0;
  let abandoned = 0;
  const tried = await workThrough(moments, { atOnce: 1, budgetMinutes: options.budgetMinutes }, async (moment) => {
    const where = `SEED=${String(options.seed)}, cancelled ${moment.milliseconds.toFixed(1)} ms after ${String(moment.batches)} batches`;
    await db.rows("delete from app.job_runs");
    const lots = await db.dueLots(LOTS);
    const runner = await db.session();
    const run = errorOf(runner.client.query(EXPIRE_LOTS));
    for (;;) {
      const now = await db.lastRun();
      if (now !== undefined && (now.batches >= moment.batches || now.status !== "running")) break;
    }
    await pause(moment.milliseconds);
    await db.rows("select pg_cancel_backend($1)", [runner.pid]);
    const error = await run;
    await db.untilIdle(runner);
    const before = await db.runs();
    if (error !== undefined) {
      expect(error, where).toMatchObject({ code: "57014" });
      cancelled += 1;
    }
    if (before[0]?.status === "running") abandoned += 1;

    await db.rows(EXPIRE_LOTS);
    const runs = await db.runs();
    expect(runs, where).toHaveLength(2);
    const ended = error === undefined ? ["succeeded"] : ["failed", "abandoned", "succeeded"];
    expect(ended, where).toContain(runs[0]?.status);
    expect(runs[1], where).toMatchObject({ status: "succeeded", more: false });
    expect(runs[0]!.affected + runs[1]!.affected, where).toBe(LOTS);
    expect(await db.expiries(lots), where).toEqual(lots.map(() => [0, 1]));
    expect(await db.engineLocks(), where).toEqual([]);
    await db.closeSessions();
  });
  return { tried, cancelled, abandoned };
}
