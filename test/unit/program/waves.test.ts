// The order of waves, as the program declares it: what a merchant and a gate wait for.
import * as pulumi from "@pulumi/pulumi";
import { expect, test, vi } from "vitest";

// What vitest makes of a function cannot be serialised; test/unit/components/stub.test.ts looks at the real one.
vi.mock("../../../components/stub.ts", () => ({ providerStub: () => ({}) }));

const cells = {
  home: { kind: "server", host: "127.0.0.1", admin: "admin", credential: { env: "WAVES_PASSWORD" }, tls: "disable" },
};

test("a gate of a wave that everybody leaves waits for the gate before; who leaves waits for it until it is dropped", async () => {
  process.env["WAVES_PASSWORD"] = "not used";
  const waits = new Map<string, readonly string[]>();
  await pulumi.runtime.setMocks(
    {
      newResource: ({ name, inputs }) => ({ id: name, state: inputs as object }),
      call: ({ token }) => {
        throw new Error(`no function is called: ${token}`);
      },
    },
    "merchant-jobs",
    "test",
  );
  pulumi.runtime.setAllConfig({
    "merchant-jobs:cells": JSON.stringify(cells),
    "merchant-jobs:jobs": "{}",
    "merchant-jobs:rollout": JSON.stringify({ waves: [["acme"], ["bluebird", "coral"], "rest"] }),
    "merchant-jobs:merchants": JSON.stringify({
      acme: {},
      bluebird: { offboard: { export: "exports" } },
      coral: { offboard: { export: "exports", drop: true, confirm: "coral" } },
      dahlia: {},
    }),
  });
  await pulumi.runtime.runInPulumiStack(async () => {
    pulumi.runtime.registerStackTransformation(({ name, opts }) => {
      const on = opts.dependsOn as readonly { readonly __name: string }[] | undefined;
      waits.set(name, on?.map(({ __name }) => __name) ?? []);
      return undefined;
    });
    await import("../../../index.ts");
    return {};
  });

  expect(waits.get("wave-1")).toEqual(["acme-crontab", "home-probe"]);
  expect(waits.get("wave-2")).toEqual(["wave-1"]);
  expect(waits.get("wave-3")).toEqual(["dahlia-crontab"]);
  expect(waits.get("bluebird-owner")).toEqual(["wave-1"]);
  expect(waits.get("coral-offboard")).toEqual(["roster", "home-probe"]);
  expect(waits.get("dahlia-owner")).toEqual(["wave-2"]);
});
