/** A time in milliseconds that no change of this machine's clock touches. It measures; to be shown it is `wallTime`. */
export function steadyNow(): number {
  return performance.timeOrigin + performance.now();
}

/** The time since 1970, by this machine's clock as it is set now, of an instant of the steady one. */
export function wallTime(steady: number): number {
  return steady + Date.now() - steadyNow();
}

/** Milliseconds. Less than this is the network's doing. */
const STEP = 1_000;

/**
 * A server's clock, as far as looks at it tell: what is due is due by that one, so that the clock of the machine that the
 * runner is on may be wrong, or be set, at any time.
 */
export class ServerClock {
  #offset: number | undefined;
  #within = 0;

  /** Undefined until the first look. */
  now(): number | undefined {
    return this.#offset === undefined ? undefined : steadyNow() + this.#offset;
  }

  /**
   * Takes what the server said when it was `at` by our steady clock, give or take `within`; true when its clock was set since
   * the last look.
   */
  learn(serverTime: number, at: number, within: number): boolean {
    const offset = serverTime - at;
    const before = this.#offset;
    const doubt = STEP + within + this.#within;
    this.#offset = offset;
    this.#within = within;
    return before !== undefined && Math.abs(offset - before) > doubt;
  }
}
