/** The time in milliseconds since 1970, which no change of this machine's clock touches. */
export function steadyNow(): number {
  return performance.timeOrigin + performance.now();
}

/** Milliseconds. Less than this is the network's doing. */
const STEP = 1_000;

/**
 * A server's clock, as far as looks at it tell: what is due is due by that one, so that the clock of the machine that the
 * runner is on may be wrong, or be set, at any time.
 */
export class ServerClock {
  #offset: number | undefined;

  /** Undefined until the first look. */
  now(): number | undefined {
    return this.#offset === undefined ? undefined : steadyNow() + this.#offset;
  }

  /** Takes what the server said when it was `at` by our steady clock; true when its clock was set since the last look. */
  learn(serverTime: number, at: number): boolean {
    const offset = serverTime - at;
    const before = this.#offset;
    this.#offset = offset;
    return before !== undefined && Math.abs(offset - before) > STEP;
  }
}
