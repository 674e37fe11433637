import { annotateSecrets, equal, hasUnknown, plainProps } from "./values.ts";
import type { Props } from "./values.ts";

/** A property that a provider's check refuses. */
export interface CheckFailure {
  readonly property: string;
  readonly reason: string;
}

export interface CheckResult {
  readonly inputs: Props;
  readonly failures: readonly CheckFailure[];
}

/** How one property differs, as the provider says. */
export type PropertyChange = "add" | "update" | "delete";

export interface DiffResult {
  readonly changes: "none" | "some" | "unknown";
  /** Properties that cannot be changed in place. */
  readonly replaces: readonly string[];
  /** The changed properties, where the provider names them; only for people to read. */
  readonly detailed?: Readonly<Record<string, PropertyChange>> | undefined;
}

/** What exists of a resource: its id is empty when nothing does. */
export interface ReadResult {
  readonly id: string;
  readonly inputs?: Props | undefined;
  readonly outputs: Props;
}

export interface Existing {
  readonly urn: string;
  readonly id: string;
  readonly inputs: Props;
  readonly outputs: Props;
}

/** A resource that exists but is not ready: the state keeps it and its reasons, and the next update tries again. */
export class PartialFailure extends Error {
  override readonly name = "PartialFailure";
  readonly id: string;
  readonly outputs: Props;
  readonly reasons: readonly string[];

  constructor(id: string, outputs: Props, reasons: readonly string[]) {
    super(reasons.join("; ") || "resource init failed");
    this.id = id;
    this.outputs = outputs;
    this.reasons = reasons;
  }
}

/** A provider of resources, as the engine sees it; errors are thrown. */
export interface Provider {
  check(urn: string, olds: Props, news: Props): Promise<CheckResult>;
  diff(existing: Existing, news: Props, ignoreChanges: readonly string[]): Promise<DiffResult>;
  create(urn: string, inputs: Props): Promise<{ readonly id: string; readonly outputs: Props }>;
  /** Without `existing.outputs` (they are empty), what is to be imported. */
  read(existing: Existing): Promise<ReadResult>;
  update(existing: Existing, news: Props, ignoreChanges: readonly string[]): Promise<Props>;
  delete(existing: Existing): Promise<void>;
  /** Outputs that a preview can tell beforehand; what is missing is unknown. */
  plannedOutputs(existing: Existing | undefined, news: Props): Props;
  close(): void;
}

/** The provider with secrets opened before it is asked and marked again in what it answers. */
export function withSecretsKept(inner: Provider): Provider {
  const open = (e: Existing): Existing => ({ ...e, inputs: plainProps(e.inputs), outputs: plainProps(e.outputs) });
  const marked = async <T>(work: Promise<T>, inputs: Props): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      if (!(error instanceof PartialFailure)) throw error;
      throw new PartialFailure(error.id, annotateSecrets(error.outputs, inputs), error.reasons);
    }
  };
  return {
    async check(urn, olds, news) {
      const { inputs, failures } = await inner.check(urn, plainProps(olds), plainProps(news));
      return { inputs: annotateSecrets(inputs, news), failures };
    },
    diff: (existing, news, ignoreChanges) => inner.diff(open(existing), plainProps(news), ignoreChanges),
    async create(urn, inputs) {
      const { id, outputs } = await marked(inner.create(urn, plainProps(inputs)), inputs);
      return { id, outputs: annotateSecrets(outputs, inputs) };
    },
    async read(existing) {
      const { id, inputs, outputs } = await inner.read(open(existing));
      return {
        id,
        inputs: inputs && annotateSecrets(inputs, existing.inputs),
        outputs: annotateSecrets(outputs, existing.outputs),
      };
    },
    async update(existing, news, ignoreChanges) {
      return annotateSecrets(await marked(inner.update(open(existing), plainProps(news), ignoreChanges), news), news);
    },
    delete: (existing) => inner.delete(open(existing)),
    plannedOutputs: (existing, news) => inner.plannedOutputs(existing, news),
    close() {
      inner.close();
    },
  };
}

/**
 * A provider that asks nobody, for a preview of types that the engine has no provider for, or whose provider's settings a
 * preview does not know yet: inputs as planned, outputs unknown.
 */
export const planOnly: Provider = {
  check: (_urn, _olds, news) => Promise.resolve({ inputs: news, failures: [] }),
  diff: (existing, news) =>
    Promise.resolve({
      changes: equal(plainProps(existing.inputs), plainProps(news)) && !hasUnknown(news) ? "none" : "some",
      replaces: [],
    }),
  create: () => Promise.reject(new Error("a plan-only provider creates nothing")),
  read: () => Promise.reject(new Error("a plan-only provider reads nothing")),
  update: () => Promise.reject(new Error("a plan-only provider updates nothing")),
  delete: () => Promise.reject(new Error("a plan-only provider deletes nothing")),
  plannedOutputs: (_existing, news) => news,
  close: () => undefined,
};
