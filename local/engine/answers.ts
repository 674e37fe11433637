import type { CheckResult, DiffResult, Existing, Provider } from "./provider.ts";
import { equal, hasUnknown } from "./values.ts";
import type { Json, Props } from "./values.ts";

/** What providers were asked in this run, by kind and resource, and what they answered. */
export type KnownAnswers = Map<string, readonly { readonly question: Json; readonly answer: Promise<unknown> }[]>;

/**
 * Asks providers for checks and differences, each question once: the scout that runs ahead of an update asks what the update
 * asks, and a provider must not see that there are two. The scout does not ask about what it does not know yet, nor about what
 * is only to be made: that can be refused by no answer.
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
    return this.#once(`check ${urn}`, [olds ?? null, news], () => provider.check(urn, olds ?? {}, news));
  }

  diff(provider: Provider, existing: Existing, news: Props, ignoreChanges: readonly string[]): Promise<DiffResult> {
    if (this.#scout && hasUnknown(news)) return Promise.resolve({ changes: "some", replaces: [] });
    return this.#once(`diff ${existing.urn}`, [{ ...existing }, news, ignoreChanges], () =>
      provider.diff(existing, news, ignoreChanges),
    );
  }

  #once<T>(about: string, question: Json, ask: () => Promise<T>): Promise<T> {
    if (!this.#known) return ask();
    const known = this.#known.get(about) ?? [];
    const asked = known.find((before) => equal(before.question, question));
    if (asked) return asked.answer as Promise<T>;
    const answer = ask();
    this.#known.set(about, [...known, { question, answer }]);
    return answer;
  }
}
