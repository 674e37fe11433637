import type { Goal, ResourceState } from "./resource-state.ts";
import { registerResource } from "./register.ts";
import type { Run } from "./run.ts";
import { makeUrn, packageOf, providerTypeOf } from "./urn.ts";
import { asSecret } from "./values.ts";
import type { Json, Props } from "./values.ts";

/** The stack's config, as the inputs of default providers need it. */
interface ProviderConfig {
  readonly values: Readonly<Record<string, string>>;
  readonly secretKeys: readonly string[];
}

/**
 * Makes the provider of a package for resources that name none, once for each package and version (source_eval.go,
 * defaultProviders).
 */
export class DefaultProviders {
  readonly #run: Run;
  readonly #config: ProviderConfig;
  readonly #made = new Map<string, Promise<ResourceState>>();

  constructor(run: Run, config: ProviderConfig) {
    this.#run = run;
    this.#config = config;
  }

  /** The reference of the provider for a type, made now if it is the first of its package. */
  async reference(type: string, version: string): Promise<string> {
    const pkg = packageOf(type);
    const name = version === "" ? "default" : `default_${version.replaceAll(".", "_")}`;
    const key = `${pkg}/${name}`;
    let made = this.#made.get(key);
    if (!made) {
      made = registerResource(this.#run, this.#goal(pkg, name, version));
      this.#made.set(key, made);
    }
    const { urn, id } = await made;
    return `${urn}::${String(id)}`;
  }

  #goal(pkg: string, name: string, version: string): Goal {
    const type = providerTypeOf(pkg);
    return {
      urn: makeUrn(this.#run.stack, this.#run.project, "", type, name),
      type,
      custom: true,
      inputs: { ...this.#inputs(pkg), ...(version !== "" && { version }) },
      parent: "",
      protect: undefined,
      retainOnDelete: undefined,
      dependencies: [],
      propertyDependencies: {},
      provider: "",
      ignoreChanges: [],
      additionalSecretOutputs: [],
      importId: "",
    };
  }

  /** The provider of dynamic resources gets the whole config under its full keys, any other the keys of its own package. */
  #inputs(pkg: string): Props {
    const { values, secretKeys } = this.#config;
    const inputs = Object.entries(values).flatMap(([key, text]): [string, Json][] => {
      const value = secretKeys.includes(key) ? asSecret(text) : text;
      if (pkg === "pulumi-nodejs") return [[key, value]];
      return key.startsWith(`${pkg}:`) ? [[key.slice(pkg.length + 1), value]] : [];
    });
    return Object.fromEntries(inputs);
  }
}
