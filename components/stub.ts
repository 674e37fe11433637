import type * as pulumi from "@pulumi/pulumi";

/** The modules under components/providers/ that do the work of our dynamic resources. */
export type ProviderModule =
  "access" | "crontab" | "gate" | "migrations" | "offboard" | "probe" | "readiness" | "roster";

type Method = (...args: readonly unknown[]) => Promise<unknown>;

interface Loaded {
  readonly provider: Readonly<Record<string, Method>>;
}

/** Types stand out here: inside the stub each would leave blanks in its text. */
interface Stub {
  configure(this: Record<string, Method>, req: pulumi.dynamic.ConfigureRequest): void;
}

/**
 * A provider that only loads today's module and calls it.
 *
 * Pulumi stores the text of a dynamic provider in the state, twice for every resource, and runs `read` and `delete`
 * from the stored text. So it captures the module's name and nothing else: it stays small, holds no secret, and does
 * not change when the code does. Each method of an object costs 200 bytes of text around it, so the methods are made
 * by `configure`, which the SDK calls before any of them (getProvider in its cmd/dynamic-provider). It does that
 * before it awaits anything, because the engine calls `read` and `delete` of other resources while an async
 * `configure` still runs. The module is found from the working directory, which is the program's, by a file URL: a
 * bare path fails in folders with #, % or ? in their name.
 */
export function providerStub(module: ProviderModule): pulumi.dynamic.ResourceProvider {
  const known = stubs.get(module) ?? makeStub(module);
  stubs.set(module, known);
  return known;
}

/** The SDK serialises each provider object once: one for all resources of a kind, not one for each. */
const stubs = new Map<ProviderModule, pulumi.dynamic.ResourceProvider>();

function makeStub(module: ProviderModule): pulumi.dynamic.ResourceProvider {
  const stub: Stub = {
    configure({ config }) {
      for (const name of "check diff create read update delete".split(" "))
        this[name] = async (...args) => {
          const { pathToFileURL: url } = await import("node:url");
          const { href } = url(`${process.cwd()}/components/providers/${module}.ts`);
          return ((await import(href)) as Loaded).provider[name]?.(config, ...args);
        };
    },
  };
  return stub as unknown as pulumi.dynamic.ResourceProvider;
}
