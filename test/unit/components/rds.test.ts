// What the program asks Pulumi for, for cells on RDS: every property that matters, of a shared cell, of one that a merchant
// has for itself, and of one that is adopted.
import * as pulumi from "@pulumi/pulumi";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { adopted, made } from "../spec/aws/cells.ts";

// What vitest makes of a function cannot be serialised; stub.test.ts looks at the real one.
vi.mock("../../../components/stub.ts", () => ({ providerStub: () => ({}) }));

interface Made {
  readonly type: string;
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly provider: string;
}

interface Declared {
  readonly protect: boolean | undefined;
  readonly dependsOn: readonly string[];
}

const KEY = "arn:aws:kms:eu-central-1:123456789012:key/0a1b2c3d";
const cells = {
  "eu-1": { ...made, kmsKeyId: KEY, clients: [...made.clients, "10.1.0.0/16"] },
  "big-1": {
    ...made,
    region: "eu-west-1",
    identifier: "titan",
    engineVersion: "16.10",
    instanceClass: "db.r7g.2xlarge",
    storageGib: 500,
    maxStorageGib: 2000,
    multiAz: false,
    backupDays: 35,
    backupWindow: "12:00-13:00",
    maintenanceWindow: "mon:14:00-mon:15:00",
    databaseInsights: "advanced",
    caCertificate: "rds-ca-ecc384-g1",
    admin: "platform",
    allowMajorVersionUpgrade: true,
    expendable: "big-1",
    connectionsPerMerchant: 400,
    parameters: { work_mem: 16_384, max_connections: 800, shared_preload_libraries: "auto_explain" },
  },
  "old-1": adopted,
  "eu-2": { ...made, appLogin: "secret", kmsKeyId: KEY },
  "old-2": { ...adopted, identifier: "aged", host: "aged.example.com", appLogin: "secret" },
};

/** How the mock engine answers, by type: what is not here is an error. */
const ANSWERS: Readonly<Record<string, (inputs: Record<string, unknown>) => object>> = {
  "aws:rds/parameterGroup:ParameterGroup": () => ({ name: "parameters-0a1b2c" }),
  "aws:rds/subnetGroup:SubnetGroup": () => ({ name: "subnets-0a1b2c" }),
  "aws:ec2/securityGroup:SecurityGroup": () => ({}),
  "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": () => ({}),
  "aws:rds/instance:Instance": ({ identifier }) => ({ address: `${String(identifier)}.rds.amazonaws.com` }),
  "pulumi:providers:postgresql": () => ({}),
  "postgresql:index/role:Role": () => ({}),
  "postgresql:index/database:Database": () => ({}),
  ...Object.fromEntries(
    ["Roster", "Readiness", "Migrations", "CellProbe", "Access", "Crontab"].map((type) => [
      `pulumi-nodejs:dynamic/merchant-jobs:${type}`,
      () => ({}),
    ]),
  ),
  ...Object.fromEntries(
    ["pulumi:pulumi:Stack", "merchant-jobs:index:Cell", "merchant-jobs:index:Merchant"].map((type) => [
      type,
      () => ({}),
    ]),
  ),
};

const resources = new Map<string, Made>();
const declared = new Map<string, Declared>();

beforeAll(async () => {
  await pulumi.runtime.setMocks(
    {
      newResource({ type, name, inputs, provider = "" }) {
        const known = ANSWERS[type];
        if (known === undefined) throw new Error(`no resource of this type is made: ${type}`);
        const given = inputs as Record<string, unknown>;
        // A cell's provider has the name of the cell.
        if (!type.startsWith("merchant-jobs:index:")) resources.set(name, { type, inputs: given, provider });
        return { id: `${name}-id`, state: { ...given, ...known(given) } };
      },
      call({ token }) {
        throw new Error(`no function is called: ${token}`);
      },
    },
    "merchant-jobs",
    "prod",
  );
  pulumi.runtime.setAllConfig({
    "merchant-jobs:cells": JSON.stringify(cells),
    "merchant-jobs:jobs": "{}",
    "merchant-jobs:rollout": "{}",
    "merchant-jobs:merchants": JSON.stringify({
      acme: { cell: "eu-1" },
      bluebird: { cell: "eu-1" },
      titan: { cell: "big-1", connectionLimit: 400 },
      coral: { cell: "old-1" },
      dahlia: { cell: "eu-2" },
      ember: { cell: "old-2" },
    }),
  });
  await pulumi.runtime.runInPulumiStack(async () => {
    pulumi.runtime.registerStackTransformation(({ type, name, opts }) => {
      const on = opts.dependsOn as readonly { readonly __name: string }[] | undefined;
      declared.set(type === "merchant-jobs:index:Cell" ? `cell ${name}` : name, {
        protect: opts.protect,
        dependsOn: on?.map(({ __name }) => __name) ?? [],
      });
      return undefined;
    });
    await import("../../../index.ts");
    return {};
  });
  // What was asked for is answered in time of its own.
  await pulumi.runtime.disconnect();
}, 120_000);

const inputsOf = (name: string) => resources.get(name)?.inputs;

describe("a shared cell", () => {
  test("has an instance as it shall be kept for years", () => {
    expect(inputsOf("eu-1-instance")).toEqual({
      region: "eu-central-1",
      identifier: "merchant-jobs-eu-1",
      instanceClass: "db.r7g.large",
      tags: { "merchant-jobs:cell": "eu-1" },
      engine: "postgres",
      engineVersion: "17.6",
      autoMinorVersionUpgrade: false,
      allowMajorVersionUpgrade: false,
      parameterGroupName: "parameters-0a1b2c",
      dbName: "cron",
      applyImmediately: true,
      maintenanceWindow: "sun:06:00-sun:07:00",
      username: "merchant_master",
      manageMasterUserPassword: true,
      masterUserSecretKmsKeyId: KEY,
      iamDatabaseAuthenticationEnabled: true,
      caCertIdentifier: "rds-ca-rsa2048-g1",
      port: 5432,
      publiclyAccessible: false,
      dbSubnetGroupName: "subnets-0a1b2c",
      vpcSecurityGroupIds: ["eu-1-access-id"],
      multiAz: true,
      storageType: "gp3",
      allocatedStorage: 100,
      maxAllocatedStorage: 1000,
      storageEncrypted: true,
      kmsKeyId: KEY,
      backupRetentionPeriod: 14,
      backupWindow: "22:00-23:00",
      copyTagsToSnapshot: true,
      deleteAutomatedBackups: false,
      deletionProtection: true,
      skipFinalSnapshot: false,
      finalSnapshotIdentifier: "merchant-jobs-eu-1-final",
      databaseInsightsMode: "standard",
      performanceInsightsEnabled: true,
      performanceInsightsRetentionPeriod: 7,
      performanceInsightsKmsKeyId: KEY,
      enabledCloudwatchLogsExports: ["postgresql", "upgrade"],
    });
    // Everything in the component has its protection.
    expect(declared.get("cell eu-1")?.protect).toBe(true);
  });

  test("has a parameter group that loads pg_cron, by a name that Pulumi gives", () => {
    expect(inputsOf("eu-1-parameters")).toEqual({
      region: "eu-central-1",
      family: "postgres17",
      description: "merchant-jobs: cell eu-1",
      tags: { "merchant-jobs:cell": "eu-1" },
      parameters: [
        { name: "cron.database_name", value: "cron", applyMethod: "pending-reboot" },
        { name: "cron.log_run", value: "on", applyMethod: "pending-reboot" },
        { name: "cron.log_statement", value: "off", applyMethod: "pending-reboot" },
        { name: "cron.max_running_jobs", value: "8", applyMethod: "pending-reboot" },
        { name: "max_worker_processes", value: "16", applyMethod: "pending-reboot" },
        { name: "rds.force_ssl", value: "1", applyMethod: "immediate" },
        { name: "shared_preload_libraries", value: "pg_stat_statements,pg_cron", applyMethod: "pending-reboot" },
      ],
    });
  });

  test("is in its subnets, and lets its clients in and nobody else", () => {
    const common = { region: "eu-central-1", tags: { "merchant-jobs:cell": "eu-1" } };
    const description = "merchant-jobs: cell eu-1";
    expect(inputsOf("eu-1-subnets")).toEqual({ ...common, subnetIds: made.subnetIds, description });
    expect(inputsOf("eu-1-access")).toEqual({ ...common, vpcId: made.vpcId, description });
    const rule = { ...common, securityGroupId: "eu-1-access-id", ipProtocol: "tcp", fromPort: 5432, toPort: 5432 };
    expect(inputsOf("eu-1-from-sg-0a1b2c3d4e5f60719")).toEqual({
      ...rule,
      referencedSecurityGroupId: "sg-0a1b2c3d4e5f60719",
    });
    expect(inputsOf("eu-1-from-10-1-0-0-16")).toEqual({ ...rule, cidrIpv4: "10.1.0.0/16" });
    const rules = [...resources].filter(([name]) => name.startsWith("eu-1-from-"));
    expect(rules).toHaveLength(2);
  });

  test("is reached by IAM and verified, and no password is declared", () => {
    expect(inputsOf("eu-1")).toEqual({
      host: "merchant-jobs-eu-1.rds.amazonaws.com",
      port: "5432",
      username: "merchant_admin",
      awsRdsIamAuth: "true",
      awsRdsIamRegion: "eu-central-1",
      sslmode: "verify-full",
      sslrootcert: "certs/rds.pem",
      superuser: "false",
      connectTimeout: "10",
    });
  });

  test("is ready before anything is made in it, and the stack's memory comes before all of it", () => {
    expect(declared.get("eu-1-instance")?.dependsOn).toEqual(["roster"]);
    expect(declared.get("eu-1-readiness")?.dependsOn).toEqual(["roster", "eu-1-instance"]);
    expect(declared.get("eu-1-cron")?.dependsOn).toEqual(["roster", "eu-1-readiness"]);
    expect(declared.get("eu-1-probe")?.dependsOn).toEqual(["eu-1-cron"]);
    expect(inputsOf("eu-1-readiness")).toMatchObject({
      cell: "eu-1",
      finds: {},
      parameters: { "cron.max_running_jobs": "8", shared_preload_libraries: "pg_stat_statements,pg_cron" },
      administrator: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
    });
  });

  test("is remembered with all that is written once", () => {
    expect(inputsOf("roster")?.["cells"]).toEqual({
      "eu-1": {
        region: "eu-central-1",
        identifier: "merchant-jobs-eu-1",
        vpcId: made.vpcId,
        kmsKeyId: KEY,
        major: "17",
      },
      "big-1": {
        region: "eu-west-1",
        identifier: "titan",
        vpcId: made.vpcId,
        major: "16",
        upgrade: true,
        expendable: true,
      },
      "eu-2": {
        region: "eu-central-1",
        identifier: "merchant-jobs-eu-2",
        vpcId: made.vpcId,
        kmsKeyId: KEY,
        major: "17",
      },
    });
  });
});

describe("a cell that one merchant has for itself", () => {
  test("has what it says, and the key of the account where it names none", () => {
    const inputs = inputsOf("big-1-instance") ?? {};
    expect(inputs).toMatchObject({
      region: "eu-west-1",
      identifier: "titan",
      engineVersion: "16.10",
      allowMajorVersionUpgrade: true,
      instanceClass: "db.r7g.2xlarge",
      allocatedStorage: 500,
      maxAllocatedStorage: 2000,
      multiAz: false,
      storageEncrypted: true,
      backupRetentionPeriod: 35,
      backupWindow: "12:00-13:00",
      maintenanceWindow: "mon:14:00-mon:15:00",
      databaseInsightsMode: "advanced",
      performanceInsightsRetentionPeriod: 465,
      caCertIdentifier: "rds-ca-ecc384-g1",
    });
    const keys = ["kmsKeyId", "masterUserSecretKmsKeyId", "performanceInsightsKmsKeyId"];
    expect(Object.keys(inputs).filter((name) => keys.includes(name))).toEqual([]);
    expect(inputsOf("big-1")).toMatchObject({ username: "platform", awsRdsIamRegion: "eu-west-1" });
  });

  test("has a group of its own major version, with its own parameters", () => {
    const { family, parameters } = inputsOf("big-1-parameters") as { family: string; parameters: unknown[] };
    expect(family).toBe("postgres16");
    expect(parameters).toContainEqual({ name: "work_mem", value: "16384", applyMethod: "immediate" });
    expect(parameters).toContainEqual({ name: "max_connections", value: "800", applyMethod: "pending-reboot" });
    expect(parameters).toContainEqual({
      name: "shared_preload_libraries",
      value: "pg_stat_statements,pg_cron,auto_explain",
      applyMethod: "pending-reboot",
    });
  });

  test("that is expendable by name has lost its protection, and leaves a snapshot all the same", () => {
    expect(inputsOf("big-1-instance")).toMatchObject({
      deletionProtection: false,
      skipFinalSnapshot: false,
      finalSnapshotIdentifier: "titan-final",
    });
    expect(declared.get("cell big-1")?.protect).toBe(false);
  });

  test("has its merchant's resources and no other's", () => {
    const inCell = [...resources].filter(([, { inputs }]) => inputs["cell"] === "big-1").map(([name]) => name);
    expect(inCell.sort()).toEqual([
      "big-1-cron",
      "big-1-probe",
      "big-1-readiness",
      "titan-access",
      "titan-crontab",
      "titan-migrations",
    ]);
  });
});

test("how an application logs in is declared with its roles: by IAM, by a secret of its own, or by a password", () => {
  const accessOf = (merchant: string) => {
    const { __provider, ...inputs } = inputsOf(`${merchant}-access`) ?? {};
    expect(__provider).toBeTypeOf("string");
    return inputs;
  };
  const roles = (merchant: string, cell: string) => ({ differs: {}, cell, merchant, database: `merchant_${merchant}` });
  expect(accessOf("acme")).toEqual({ ...roles("acme", "eu-1"), appLogin: "iam" });
  expect(accessOf("coral")).toEqual(roles("coral", "old-1"));
  expect(accessOf("dahlia")).toEqual({
    ...roles("dahlia", "eu-2"),
    secret: { region: "eu-central-1", name: "merchant-jobs/merchant-jobs-eu-2/dahlia/app", kmsKeyId: KEY },
  });
  expect(accessOf("ember")).toEqual({
    ...roles("ember", "old-2"),
    secret: { region: adopted.region, name: "merchant-jobs/aged/ember/app" },
  });
});

describe("an adopted cell", () => {
  test("has nothing made of it", () => {
    const names = [...resources].filter(([name]) => name.startsWith("old-1")).map(([name, { type }]) => [name, type]);
    expect(names.sort()).toEqual(
      [
        ["old-1", "pulumi:providers:postgresql"],
        ["old-1-cron", "pulumi-nodejs:dynamic/merchant-jobs:Migrations"],
        ["old-1-probe", "pulumi-nodejs:dynamic/merchant-jobs:CellProbe"],
        ["old-1-readiness", "pulumi-nodejs:dynamic/merchant-jobs:Readiness"],
      ].sort(),
    );
  });

  test("is asked before anything is made in it whether its parameter group is right", () => {
    expect(inputsOf("old-1-readiness")).toMatchObject({ cell: "old-1", finds: {} });
    expect(Object.keys(inputsOf("old-1-readiness") ?? {})).not.toContain("parameters");
    expect(declared.get("old-1-cron")?.dependsOn).toEqual(["roster", "old-1-readiness"]);
  });

  test("is reached by IAM at the address that it has", () => {
    expect(inputsOf("old-1")).toMatchObject({ host: adopted.host, port: "5432", awsRdsIamAuth: "true" });
  });
});

test("every merchant's role and database is made by its cell's provider", () => {
  for (const [merchant, cell] of Object.entries({ acme: "eu-1", titan: "big-1", coral: "old-1" })) {
    expect(resources.get(`${merchant}-database`)?.provider).toContain(`::${cell}::`);
    expect(resources.get(`${merchant}-owner`)?.provider).toContain(`::${cell}::`);
  }
});
