import { expect, test } from "vitest";
import {
  describeSecret,
  isOurs,
  parseValue,
  planAppSecret,
  type SecretFacts,
  type SecretStep,
  type SecretTarget,
  wantedFields,
} from "../../../../converge/aws/app-secret-plan.ts";

const target: SecretTarget = {
  secret: { region: "eu-central-1", name: "merchant-jobs/eu-1/acme/app", kmsKeyId: "key" },
  merchant: "acme",
  appRole: "merchant_acme_app",
  host: "eu-1.example.com",
  port: 5432,
  database: "merchant_acme",
};
const fields = { ...wantedFields(target), password: "hunter2" };
const right = {
  state: "there",
  merchant: "acme",
  kmsKeyId: "key",
  value: { fields, password: "hunter2" },
  letsIn: true,
} as const satisfies SecretFacts;
const other = (more: object) => ({ ...right, value: { fields: { ...fields, ...more }, password: "hunter2" } });

test.for<readonly [string, SecretFacts, readonly SecretStep[], string]>([
  ["is right", right, [], ""],
  ["has more in it", other({ masterarn: "a", port: "5432" }), [], ""],
  ["is right, and nobody asked the server", { ...right, letsIn: undefined }, [], ""],
  ["is gone", { state: "gone" }, ["create", "let in"], "gone"],
  [
    "is leaving, by another key",
    { ...right, state: "leaving", kmsKeyId: undefined, value: undefined },
    ["restore", "encrypt", "write new", "let in"],
    "scheduled for deletion",
  ],
  ["is refused", { ...right, letsIn: false }, ["let in"], "its password is refused by the server"],
  [
    "has no value, by the account's key",
    { ...right, kmsKeyId: undefined, value: undefined },
    ["encrypt", "write new", "let in"],
    "encrypted by the account's key; has no password of merchant_acme_app",
  ],
  [
    "is of another host, and refused",
    { ...other({ host: "old" }), letsIn: false },
    ["write same", "let in"],
    "host is not the cell's; its password is refused by the server",
  ],
  [
    "is of no verifier's characters, and refused",
    { ...right, value: { fields, password: "gültig" }, letsIn: false },
    ["write new", "let in"],
    "its password is refused by the server",
  ],
  [
    "is of no verifier's characters, and the server takes it",
    { ...right, value: { fields, password: "gültig" } },
    [],
    "",
  ],
])("a secret that %s", ([, found, steps, text]) => {
  expect(planAppSecret(target, found)).toEqual(steps);
  expect(describeSecret(target, found, steps)).toBe(text);
});

test("where no key is declared the account's is wanted, and another one is a difference", () => {
  const unkeyed = { ...target, secret: { ...target.secret, kmsKeyId: undefined } };
  expect(planAppSecret(unkeyed, { ...right, kmsKeyId: undefined })).toEqual([]);
  expect(planAppSecret(unkeyed, right)).toEqual(["encrypt"]);
});

test("a secret without the merchant's tag is somebody else's, also one that is leaving", () => {
  expect(isOurs(target, right)).toBe(true);
  expect(isOurs(target, { state: "gone" })).toBe(true);
  for (const merchant of ["bluebird", undefined]) {
    expect(isOurs(target, { ...right, merchant })).toBe(false);
    expect(isOurs(target, { ...right, state: "leaving", value: undefined, merchant })).toBe(false);
  }
});

test.for<readonly [string, string | undefined]>([
  ["there is none", undefined],
  ["it is no JSON", "hunter2"],
  ["it is a list", "[]"],
  ["it has no password", '{"username":"merchant_acme_app"}'],
  ["its password is empty", '{"password":""}'],
  ["its password is a number", '{"password":5}'],
  ["it is of another role", '{"username":"merchant_acme_owner","password":"hunter2"}'],
])("a value is no password of the role when %s", ([, text]) => {
  expect(parseValue(text, target.appRole)).toBeUndefined();
});

test("a value keeps what else is in it", () => {
  expect(parseValue('{"password":"hunter2","masterarn":"a"}', target.appRole)).toEqual({
    password: "hunter2",
    fields: { password: "hunter2", masterarn: "a" },
  });
});
