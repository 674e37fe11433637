import type { Deployment, PendingOperation, ResourceState } from "./resource-state.ts";

/** What an operation did to the state: a resource that is now there in this form, or one that is gone. */
export interface Outcome {
  readonly put?: ResourceState | undefined;
  readonly drop?: ResourceState | undefined;
}

/** The state of a stack while it changes: resources by URN, those that wait for deletion, and operations under way. */
export class Snapshot {
  readonly #live: Map<string, ResourceState>;
  #condemned: readonly ResourceState[];
  readonly #pending = new Map<number, PendingOperation>();
  readonly #left: readonly PendingOperation[];

  constructor(deployment: Deployment) {
    this.#live = new Map(deployment.resources.filter((r) => !r.delete).map((r) => [r.urn, r]));
    this.#condemned = deployment.resources.filter((r) => r.delete);
    this.#left = deployment.pending;
  }

  /** Every resource; those that wait for deletion come last. */
  resources(): readonly ResourceState[] {
    return [...this.#live.values(), ...this.#condemned];
  }

  /** Operations under way, after those that an earlier run left. */
  pending(): readonly PendingOperation[] {
    return [...this.#left, ...this.#pending.values()];
  }

  put(state: ResourceState): void {
    this.#live.set(state.urn, state);
  }

  begin(id: number, operation: PendingOperation): void {
    this.#pending.set(id, operation);
  }

  end(id: number, outcome: Outcome): void {
    this.#pending.delete(id);
    if (outcome.put) this.put(outcome.put);
    const { drop } = outcome;
    if (!drop) return;
    if (drop.delete) this.#condemned = this.#condemned.filter((r) => r.urn !== drop.urn || r.id !== drop.id);
    else this.#live.delete(drop.urn);
  }
}
