import { startDynamicProcess } from "./dynamic-process.ts";
import type { DynamicProcess, DynamicProcessSettings } from "./dynamic-process.ts";
import { DynamicProvider } from "./dynamic-provider.ts";
import { EngineError } from "./errors.ts";
import { POSTGRESQL_TYPES, PostgresqlProvider } from "./postgresql/provider.ts";
import { planOnly, withSecretsKept } from "./provider.ts";
import type { Provider } from "./provider.ts";
import type { ResourceState } from "./resource-state.ts";
import { packageOf, urnOfReference, typeOf } from "./urn.ts";
import { hasUnknown, plainProps } from "./values.ts";
import type { Props } from "./values.ts";

/** The package of dynamic resources. */
const DYNAMIC = "pulumi-nodejs";

/** Whether the engine can make, change and delete resources of this type. */
export function isSupported(type: string): boolean {
  return packageOf(type) === DYNAMIC || POSTGRESQL_TYPES.includes(type);
}

/**
 * The providers of a run, by reference (`urn::id`). A connection begins when a provider is first used; a process loads already.
 */
export class ProviderRegistry {
  readonly #settings: DynamicProcessSettings;
  readonly #byReference = new Map<string, Provider>();
  /** The processes, by config; a fork uses the same ones. */
  readonly #dynamic: Map<string, Provider>;
  /** One that has no config yet. */
  #spare: DynamicProcess | undefined;

  constructor(settings: DynamicProcessSettings, dynamic = new Map<string, Provider>()) {
    this.#settings = settings;
    this.#dynamic = dynamic;
  }

  /** Starts the process of dynamic providers for a run that will need it: it loads while the program does. */
  prepare(resources: readonly Pick<ResourceState, "type">[]): void {
    if (resources.some(({ type }) => packageOf(type) === DYNAMIC)) this.#spare = startDynamicProcess(this.#settings);
  }

  /** A registry for a scout: settings of its own, the same processes. */
  fork(): ProviderRegistry {
    return new ProviderRegistry(this.#settings, this.#dynamic);
  }

  /** Makes the provider known with these settings, in place of what it was. */
  configure(reference: string, inputs: Props): void {
    this.#byReference.get(reference)?.close();
    this.#byReference.set(reference, this.#open(packageOf(typeOf(urnOfReference(reference))), inputs));
  }

  has(reference: string): boolean {
    return this.#byReference.has(reference);
  }

  /** The provider of a resource; for a type that the engine cannot make, one that only plans. */
  get(reference: string, type: string): Provider {
    const provider = this.#byReference.get(reference);
    if (!provider)
      throw new EngineError(
        "provider",
        `the provider ${reference} of a resource of type ${type} is not in the program or the state`,
      );
    return isSupported(type) ? provider : planOnly;
  }

  close(): void {
    for (const provider of this.#byReference.values()) provider.close();
    for (const provider of this.#dynamic.values()) provider.close();
    this.#spare?.child.kill();
  }

  #open(pkg: string, inputs: Props): Provider {
    if (hasUnknown(inputs)) return planOnly;
    const config = plainProps(inputs);
    if (pkg === "postgresql") return withSecretsKept(new PostgresqlProvider(config));
    if (pkg !== DYNAMIC) return planOnly;
    // A process keeps the config that it was given first: another config, as after a change of the stack file, is another
    // process.
    const key = JSON.stringify(config);
    const known = this.#dynamic.get(key);
    if (known) return known;
    const provider = withSecretsKept(new DynamicProvider(this.#takeProcess(), config));
    this.#dynamic.set(key, provider);
    return { ...provider, close: () => undefined };
  }
  #takeProcess(): DynamicProcess {
    const taken = this.#spare ?? startDynamicProcess(this.#settings);
    this.#spare = undefined;
    return taken;
  }
}
