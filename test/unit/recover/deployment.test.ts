import { expect, test } from "vitest";
import {
  deploymentOf,
  insertResource,
  parseExported,
  rosterIn,
  withDeployment,
} from "../../../local/recover/deployment.ts";
import { resources, state, urns } from "./facts.ts";

const exported = (deployment: object, version = 3) => JSON.stringify({ version, deployment });

test.for([
  ["that is no JSON", "Updating:", "printed no JSON"],
  ["of another version", exported({}, 4), "version"],
  ["with a resource without a type", exported({ resources: [{ urn: "urn:x", custom: true }] }), "resources.0.type"],
] as const)("an export %s is refused", ([, text, said]) => {
  expect(() => parseExported(text)).toThrow(said);
});

test("what a recovery does not know goes back as it came", () => {
  const secret = { "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", ciphertext: "v1:a:b" };
  const resource = { ...resources.role, created: "2026-01-01T00:00:00Z", inputs: { password: secret } };
  const before = {
    manifest: { time: "t" },
    secrets_providers: { type: "passphrase" },
    resources: [resource],
    metadata: {},
  };
  const parsed = parseExported(exported({ ...before, pending_operations: [{ type: "creating", resource }] }));
  const after = withDeployment(parsed, { ...deploymentOf(parsed), pending: [] });
  expect(after).toEqual({ version: 3, deployment: { ...before, pending_operations: [] } });
});

test("a state without resources is one", () => {
  expect(deploymentOf(parseExported(exported({ resources: null })))).toEqual({ resources: [], pending: [] });
});

test("the roster of the state gives each merchant, and one that was edited is refused", () => {
  expect(rosterIn(state([]).resources)?.merchants).toEqual({ acme: { cell: "home", database: "merchant_acme" } });
  expect(rosterIn([])).toBeUndefined();
  const [, roster] = state([]).resources;
  const edited = {
    ...roster,
    urn: urns.roster,
    custom: true,
    type: roster?.type ?? "",
    inputs: { merchants: ["acme"] },
  };
  expect(() => rosterIn([edited])).toThrow("was it edited?");
});

test.for([
  ["parent", { parent: urns.role }],
  ["dependency", { dependencies: [urns.role] }],
  ["provider", { provider: `${urns.role}::1` }],
])("a resource comes before the first that needs it as %s", ([, need]) => {
  const first = { ...resources.merchant };
  const needing = { ...resources.access, ...(need as object) };
  const order = insertResource([first, needing, resources.migrations], resources.role);
  expect(order.map(({ urn }) => urn)).toEqual([urns.merchant, urns.role, urns.access, urns.migrations]);
});
