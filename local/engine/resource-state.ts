import { isProviderType, urnOfReference } from "./urn.ts";
import type { Props } from "./values.ts";

/** A resource as the state holds it: the CLI's ResourceV3 (sdk/go/common/apitype/core.go). Never changed, only replaced. */
export interface ResourceState {
  readonly urn: string;
  readonly custom: boolean;
  readonly type: string;
  /** Waiting to be deleted: its replacement exists. */
  readonly delete?: boolean | undefined;
  readonly id?: string | undefined;
  readonly inputs?: Props | undefined;
  readonly outputs?: Props | undefined;
  readonly parent?: string | undefined;
  readonly protect?: boolean | undefined;
  readonly external?: boolean | undefined;
  readonly dependencies?: readonly string[] | undefined;
  readonly initErrors?: readonly string[] | undefined;
  readonly provider?: string | undefined;
  readonly propertyDependencies?: Readonly<Record<string, readonly string[] | null>> | undefined;
  readonly pendingReplacement?: boolean | undefined;
  readonly additionalSecretOutputs?: readonly string[] | undefined;
  readonly importID?: string | undefined;
  readonly retainOnDelete?: boolean | undefined;
  readonly created?: string | undefined;
  readonly modified?: string | undefined;
  readonly ignoreChanges?: readonly string[] | undefined;
}

/** What the program asks for: one registration, its options resolved. */
export interface Goal {
  readonly urn: string;
  readonly type: string;
  readonly custom: boolean;
  readonly inputs: Props;
  readonly parent: string;
  readonly protect: boolean | undefined;
  readonly retainOnDelete: boolean | undefined;
  readonly dependencies: readonly string[];
  readonly propertyDependencies: Readonly<Record<string, readonly string[]>>;
  readonly provider: string;
  readonly ignoreChanges: readonly string[];
  readonly additionalSecretOutputs: readonly string[];
  readonly importId: string;
}

/** An operation that was begun and whose end the state does not know. */
export interface PendingOperation {
  readonly type: "creating" | "updating" | "deleting" | "reading" | "importing";
  readonly resource: ResourceState;
}

/** The part of the CLI's deployment that the engine works on. */
export interface Deployment {
  readonly resources: readonly ResourceState[];
  readonly pending: readonly PendingOperation[];
}

/** Every URN that a resource needs: its parent, its provider and all that it depends on. */
export function neededBy(state: ResourceState): readonly string[] {
  const needed = new Set(state.dependencies ?? []);
  for (const urns of Object.values(state.propertyDependencies ?? {})) for (const urn of urns ?? []) needed.add(urn);
  if (state.parent) needed.add(state.parent);
  if (state.provider) needed.add(urnOfReference(state.provider));
  needed.delete(state.urn);
  return [...needed];
}

/** A resource that needs what is not there, and what that is: the CLI uses no such state (snapshot.go, VerifyIntegrity). */
export function missingIn(resources: readonly ResourceState[]): readonly [urn: string, needed: string] | undefined {
  const there = new Set(resources.map(({ urn }) => urn));
  for (const state of resources) {
    const needed = neededBy(state).find((urn) => !there.has(urn));
    if (needed !== undefined) return [state.urn, needed];
  }
  return undefined;
}

/** Whether a provider makes this resource: it is custom and no provider itself. */
export function hasProvider(state: Pick<ResourceState, "custom" | "type">): boolean {
  return state.custom && !isProviderType(state.type);
}

/**
 * The resources with each after all that it needs, otherwise in the order given: the CLI refuses a state in which a resource
 * comes before its parent, provider or dependency. Those that wait for deletion come last.
 */
export function sortResources(resources: readonly ResourceState[]): readonly ResourceState[] {
  const live = new Map(resources.filter((r) => !r.delete).map((r) => [r.urn, r]));
  const sorted = new Set<ResourceState>();
  const visit = (state: ResourceState) => {
    if (sorted.has(state)) return;
    const path: ResourceState[] = [state];
    const onPath = new Set(path);
    for (let top = path.at(-1); top; top = path.at(-1)) {
      const next = neededBy(top)
        .map((urn) => live.get(urn))
        .find((r) => r !== undefined && !sorted.has(r) && !onPath.has(r));
      if (next) {
        path.push(next);
        onPath.add(next);
      } else {
        sorted.add(top);
        path.pop();
      }
    }
  };
  for (const state of live.values()) visit(state);
  return [...sorted, ...resources.filter((r) => r.delete)];
}
