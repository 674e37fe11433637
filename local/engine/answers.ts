import type { CheckResult, DiffResult, Existing, Provider } from "./provider.ts";
import { hasUnknown } from "./values.ts";
import type { Props } from "./values.ts";

/** What providers have answered to the same questions in this run. */
export type KnownAnswers = Map<string, Promise<unknown>>;

/**
 * Asks providers for checks and differences, each question once: the scout that runs ahead of an update asks what the update
 * asks, and a provider must not see that there are two. The scout does not ask about what it does not know yet, nor about what is only
 * to be made: that can be refused by no answer.
 */
export class Answers {
  readonly #known: KnownAnswers | undefined;
  readonly #scout: boolean;

  constructor(known: KnownAnswers | undefined, scout: boolean) {
    this.#known = known;
    this.#scout = scout;
  }

  check(provider: Provider, urn: string, olds: Props | undefined, news: Props): Promise<CheckResult> {
    if (this.#scout && (!olds || hasUnknown(news))) return Promise.resolve({ inputs: news, failures: [] });
    return this.#once(["check", urn, olds, news], () => provider.check(urn, olds ?? {}, news));
  }

  diff(provider: Provider, existing: Existing, news: Props, ignoreChanges: readonly string[]): Promise<DiffResult> {
    if (this.#scout && hasUnknown(news)) return Promise.resolve({ changes: "some", replaces: [] });
    return this.#once(["diff", existing, news, ignoreChanges], () => provider.diff(existing, news, ignoreChanges));
  }

  #once<T>(question: readonly unknown[], ask: () => Promise<T>): Promise<T> {
    if (!this.#known) return ask();
    const key = JSON.stringify(question);
    const known = this.#known.get(key) as Promise<T> | undefined;
    if (known) return known;
    const answer = ask();
    this.#known.set(key, answer);
    return answer;
  }
}
