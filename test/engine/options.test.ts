import callbacks from "@pulumi/pulumi/proto/callback_pb.js";
import proto from "@pulumi/pulumi/proto/resource_pb.js";
import struct from "google-protobuf/google/protobuf/struct_pb.js";
import { expect, test } from "vitest";

import { EngineError } from "../../local/engine/errors.ts";
import { parseGoal } from "../../local/engine/goal.ts";
import { inColor, parseCommandLine } from "../../local/engine/options.ts";
import { Slots } from "../../local/engine/slots.ts";

const urn = "urn:pulumi:dev::shop::shop:index:Thing::a";
const timeouts = new proto.RegisterResourceRequest.CustomTimeouts();
timeouts.setUpdate("5m");
const hooks = new proto.RegisterResourceRequest.ResourceHooksBinding();
hooks.setBeforeDeleteList(["look first"]);
/** How the SDK sends an asset (sdk/go/common/resource/asset, AssetSig). */
const asset = { "4dabf18193072939515e22adb298388d": "c44067f5952c0a294b673a41bacd8c17", text: "x" };

test.for<readonly [string, (request: proto.RegisterResourceRequest) => unknown]>([
  ["aliases", (request) => request.setAliasurnsList([urn])],
  ["deletedWith", (request) => request.setDeletedwith(urn)],
  ["replaceOnChanges", (request) => request.setReplaceonchangesList(["key"])],
  ["replaceWith", (request) => request.setReplaceWithList([urn])],
  ["replacementTrigger", (request) => request.setReplacementTrigger(new struct.Value())],
  ["transforms", (request) => request.setTransformsList([new callbacks.Callback()])],
  ["customTimeouts", (request) => request.setCustomtimeouts(timeouts)],
  ["hooks", (request) => request.setHooks(hooks)],
  ["stateMigrations", (request) => request.setStateMigrationsList([new callbacks.Callback()])],
  ["envVarMappings", (request) => request.getEnvvarmappingsMap().set("FROM", "TO")],
  ["remote components", (request) => request.setRemote(true)],
  ["parameterized packages", (request) => request.setPackageref("some")],
  ["assets and archives", (request) => request.setObject(struct.Struct.fromJavaScript({ deep: [{ file: asset }] }))],
])("%s is refused by the name that a program uses, with the resource", ([name, ask]) => {
  const request = new proto.RegisterResourceRequest();
  request.setType("shop:index:Thing");
  expect(parseGoal(request, urn, undefined, "").type).toBe("shop:index:Thing");
  ask(request);
  const refused = (): unknown => parseGoal(request, urn, undefined, "");
  expect(refused).toThrow(EngineError);
  expect(refused).toThrow(`${urn} uses ${name}`);
  expect(refused).toThrow("use the Pulumi CLI");
});

test("as many operations go at once as --parallel says, and no more", async () => {
  const slots = new Slots(3);
  let most = 0;
  let now = 0;
  await Promise.all(
    Array.from({ length: 20 }, () =>
      slots.run(async () => {
        most = Math.max(most, (now += 1));
        await new Promise((resume) => setImmediate(resume));
        now -= 1;
      }),
    ),
  );
  expect(most).toBe(3);
});

test.for([
  ["a terminal", [], true, {}, true],
  ["a terminal with NO_COLOR", [], true, { NO_COLOR: "1" }, false],
  ["a terminal with an empty NO_COLOR", [], true, { NO_COLOR: "" }, true],
  ["a file", [], false, {}, false],
  ["a file and --color always", ["--color", "always"], false, { NO_COLOR: "1" }, true],
  ["a terminal and --color never", ["--color", "never"], true, {}, false],
] as const)("what goes to %s is in colour or not", ([, words, isTerminal, env, expected]) => {
  const { line } = parseCommandLine(["preview", ...words]);
  expect(inColor(line.color, isTerminal, env)).toBe(expected);
});

test.for([
  ["up", "preview-only"],
  ["preview", "preview-only"],
  ["destroy", "expect-no-changes"],
  ["refresh", "refresh"],
  ["refresh", "target"],
] as const)(
  "%s does not take --%s, as the CLI's does not or as this engine's cannot (pkg/cmd/pulumi/operations)",
  ([command, flag]) => {
    const value = flag === "target" ? ["urn:x"] : [];
    expect(() => parseCommandLine([command, `--${flag}`, ...value])).toThrow(`the flag --${flag} of ${command}`);
  },
);

test("a word that --color does not take is told with those that it takes", () => {
  expect(() => parseCommandLine(["preview", "--color", "alway"])).toThrow(
    '--color is "alway"; give one of auto, always, never',
  );
});
