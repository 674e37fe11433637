import { setTimeout as pause } from "node:timers/promises";

/** Asks until the answer is not undefined and resolves with it; resolves with undefined once `timeoutMs` have passed. */
export async function poll<T>(
  ask: () => Promise<T | undefined>,
  options: { readonly timeoutMs: number; readonly intervalMs?: number },
): Promise<T | undefined> {
  const end = performance.now() + options.timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined || performance.now() >= end) return answer;
    await pause(options.intervalMs ?? 50);
  }
}
