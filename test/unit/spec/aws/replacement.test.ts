import { describe, expect, test } from "vitest";
import { cellEntries, cellProblems } from "../../../../spec/aws/replacement.ts";
import { adopted, made, stackOf } from "./cells.ts";

const entriesOf = (cell: object | undefined) =>
  cellEntries(stackOf({ ...(cell !== undefined && { "eu-1": cell }), home: { kind: "local" } }).cells);

const problems = (before: object, after: object | undefined) => cellProblems(entriesOf(before), entriesOf(after));

const key = (region: string) => `arn:aws:kms:${region}:123456789012:key/0a1b2c3d`;

describe("what costs a cell's data is refused by cell and property:", () => {
  test.for<readonly [string, object, object | undefined, readonly string[]]>([
    ["a vanished cell", made, undefined, [""]],
    ["a cell that is adopted from now on", made, adopted, [""]],
    ["a renamed instance", made, { ...made, identifier: "eu-one" }, [".identifier"]],
    ["another VPC", made, { ...made, vpcId: "vpc-11111111" }, [".vpcId"]],
    ["a key where there was none", made, { ...made, kmsKeyId: key("eu-central-1") }, [".kmsKeyId"]],
    ["a key less", { ...made, kmsKeyId: key("eu-central-1") }, made, [".kmsKeyId"]],
    [
      "another region, with all that hangs on it",
      { ...made, kmsKeyId: key("eu-central-1") },
      { ...made, region: "eu-west-1", vpcId: "vpc-11111111", kmsKeyId: key("eu-west-1") },
      [".region", ".kmsKeyId", ".vpcId"],
    ],
    ["a new major version that nobody allowed", made, { ...made, engineVersion: "18.1" }, [".engineVersion"]],
    [
      "an older version, allowed or not",
      made,
      { ...made, engineVersion: "16.4", allowMajorVersionUpgrade: true },
      [".engineVersion"],
    ],
    [
      "a replacement that is confirmed only now",
      made,
      { ...made, identifier: "eu-one", expendable: "eu-1" },
      [".identifier"],
    ],
  ])("%s", ([, before, after, paths]) => {
    const found = problems(before, after);
    expect(found.map(({ path }) => path)).toEqual(paths.map((path) => `merchant-jobs:cells.eu-1${path}`));
    for (const { rule, fix } of found) expect(`${rule} ${fix}`).toMatch(/merchant-jobs-eu-1|major version/);
  });
});

describe("what RDS does in place is accepted:", () => {
  test.for<readonly [string, object, object | undefined]>([
    ["nothing new", made, made],
    [
      "a larger class, more storage, another minor version",
      made,
      { ...made, instanceClass: "db.r7g.xlarge", storageGib: 200, engineVersion: "17.7" },
    ],
    [
      "other subnets of the VPC, clients, windows and parameters",
      made,
      {
        ...made,
        subnetIds: ["subnet-11111111", "subnet-22222222"],
        clients: ["10.0.0.0/16"],
        maintenanceWindow: "mon:06:00-mon:07:00",
        parameters: { work_mem: 8192 },
      },
    ],
    ["a new major version that is allowed", made, { ...made, engineVersion: "18.1", allowMajorVersionUpgrade: true }],
    [
      "a replacement of a cell that an earlier up has given up",
      { ...made, expendable: "eu-1" },
      { ...made, identifier: "eu-one", expendable: "eu-1" },
    ],
    ["the end of one that an earlier up has given up", { ...made, expendable: "eu-1" }, undefined],
  ])("%s", ([, before, after]) => {
    expect(problems(before, after)).toEqual([]);
  });
});

test("a cell on a server that exists is nothing that the stack could lose", () => {
  expect(entriesOf(adopted)).toEqual({});
  expect(entriesOf(made)).toEqual({
    "eu-1": { region: "eu-central-1", identifier: "merchant-jobs-eu-1", vpcId: made.vpcId, major: "17" },
  });
});
