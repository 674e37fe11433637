/** Where the cases of a run come from: printed by every test that uses it, given again by the environment's SEED. */
export function seedOfRun(): number {
  const given = process.env["SEED"];
  if (given === undefined) return Math.floor(Math.random() * 1_000_000);
  if (!/^\d{1,9}$/.test(given)) throw new Error(`SEED is "${given}": give a whole number of at most nine digits`);
  return Number(given);
}

/** Numbers from 0 to below 1, the same for the same seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** The items in an order that the seed decides. */
export function shuffled<T>(items: readonly T[], random: () => number): readonly T[] {
  const left = [...items];
  const order: T[] = [];
  while (left.length > 0) order.push(...left.splice(Math.floor(random() * left.length), 1));
  return order;
}

/**
 * Works on the cases in their order, several at once, and begins no new one after the budget. Gives how many it worked
 * on; throws the first failure after those that were under way.
 */
export async function workThrough<T>(
  cases: readonly T[],
  options: { readonly atOnce: number; readonly budgetMinutes?: number | undefined },
  work: (one: T) => Promise<void>,
): Promise<number> {
  const end = performance.now() + (options.budgetMinutes ?? Number.POSITIVE_INFINITY) * 60_000;
  const left = [...cases];
  const failures: unknown[] = [];
  let done = 0;
  const worker = async () => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      try {
        await work(next);
        done += 1;
      } catch (error) {
        failures.push(error);
      }
      if (failures.length > 0 || performance.now() >= end) return;
    }
  };
  await Promise.all(Array.from({ length: options.atOnce }, worker));
  if (failures.length > 0) throw failures[0];
  return done;
}
