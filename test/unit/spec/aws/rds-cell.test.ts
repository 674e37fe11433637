import { describe, expect, test } from "vitest";
import { adopted, made, problemsOf, stackOf } from "./cells.ts";

const pathsOf = (cell: unknown) => problemsOf(cell).map(({ path }) => path.replace("merchant-jobs:cells.eu-1.", ""));

const key = "arn:aws:kms:eu-central-1:123456789012:key/0a1b2c3d";

describe("a cell that the stack makes is refused when", () => {
  test.for<readonly [string, object, readonly string[]]>([
    ["its region is no region", { ...made, region: "Frankfurt" }, ["region"]],
    ["its identifier has capitals", { ...made, identifier: "EU-1" }, ["identifier"]],
    ["its identifier has two hyphens", { ...made, identifier: "eu--1" }, ["identifier"]],
    ["its version is a number", { ...made, engineVersion: 17.1 }, ["engineVersion"]],
    ["its version has no minor one", { ...made, engineVersion: "17" }, ["engineVersion"]],
    ["its version is too old", { ...made, engineVersion: "14.9" }, ["engineVersion"]],
    ["its class is unknown", { ...made, instanceClass: "db.x9.large" }, ["instanceClass"]],
    ["it has less storage than gp3", { ...made, storageGib: 10 }, ["storageGib"]],
    ["it could not grow", { ...made, maxStorageGib: 105 }, ["maxStorageGib"]],
    ["its VPC is a name", { ...made, vpcId: "main" }, ["vpcId"]],
    ["it has one subnet", { ...made, subnetIds: made.subnetIds.slice(1) }, ["subnetIds"]],
    ["it has a subnet twice", { ...made, subnetIds: [made.subnetIds[0], made.subnetIds[0]] }, ["subnetIds"]],
    ["nobody may connect", { ...made, clients: [] }, ["clients"]],
    ["everybody may connect", { ...made, clients: ["0.0.0.0/0"] }, ["clients"]],
    ["its key is an alias", { ...made, kmsKeyId: "alias/merchant-jobs" }, ["kmsKeyId"]],
    ["its key is in another region", { ...made, region: "eu-west-1", kmsKeyId: key }, ["kmsKeyId"]],
    ["it keeps no backups", { ...made, backupDays: 0 }, ["backupDays"]],
    ["its backup is short", { ...made, backupWindow: "22:00-22:10" }, ["backupWindow"]],
    ["its backup falls into maintenance", { ...made, backupWindow: "06:30-07:30" }, ["backupWindow"]],
    ["its maintenance has no day", { ...made, maintenanceWindow: "06:00-07:00" }, ["maintenanceWindow"]],
    ["its insights are unknown", { ...made, databaseInsights: "full" }, ["databaseInsights"]],
    ["its authority is unknown", { ...made, caCertificate: "rds-ca-2019" }, ["caCertificate"]],
    ["its administrator is the master user", { ...made, admin: "merchant_master" }, ["admin"]],
    ["its reboots are yes", { ...made, rebootWhenPending: "yes" }, ["rebootWhenPending"]],
    ["its applications log in by nothing", { ...made, appLogin: "none" }, ["appLogin"]],
    ["it is expendable by another name", { ...made, expendable: "eu-2" }, ["expendable"]],
    ["it has a password", { ...made, password: "hunter2" }, ["password"]],
    ["it has an address", { ...made, host: "db.example.com" }, ["host"]],
    [
      "it has nothing but its kind",
      { kind: "rds" },
      ["region", "engineVersion", "instanceClass", "storageGib", "vpcId", "subnetIds", "clients"],
    ],
    [
      "several things are wrong, all of which are said",
      { ...made, region: "x", storageGib: "100", parameters: { work_memm: 1, "cron.timezone": "UTC" }, clients: "sg" },
      ["region", "storageGib", "clients", "parameters.work_memm", 'parameters["cron.timezone"]'],
    ],
  ])("%s", ([, cell, keys]) => {
    expect(pathsOf(cell)).toEqual(keys);
    expect(JSON.stringify(problemsOf(cell))).not.toContain("hunter2");
  });

  test("its class is misspelt, and the nearest one is named", () => {
    expect(problemsOf({ ...made, instanceClass: "db.r7g.larg" })).toMatchObject([
      { fix: "did you mean db.r7g.large?" },
    ]);
  });

  test("its name makes no identifier", () => {
    const problems = () => stackOf({ "eu-": made });
    expect(problems).toThrow(
      "cells.eu-.identifier\n    gives the identifier merchant-jobs-eu-, which RDS does not take",
    );
  });
});

describe("an adopted cell is refused when", () => {
  test.for<readonly [string, object, readonly string[]]>([
    ["it has nothing but its kind", { kind: "adopted" }, ["region", "identifier", "host"]],
    ["its host is a URL", { ...adopted, host: "postgres://db" }, ["host"]],
    ["its port is text", { ...adopted, port: "5432" }, ["port"]],
    ["its credential is the password", { ...adopted, credential: "hunter2" }, ["credential"]],
    ["its credential has an environment variable", { ...adopted, credential: { env: "PASSWORD" } }, ["credential"]],
    ["its class is unknown", { ...adopted, instanceClass: "large" }, ["instanceClass"]],
    [
      "IAM would shut its administrator out",
      { ...adopted, credential: { secret: "a" }, appLogin: "iam" },
      ["appLogin"],
    ],
    ["its key is an alias", { ...adopted, appLogin: "secret", kmsKeyId: "alias/merchant-jobs" }, ["kmsKeyId"]],
    [
      "its key is in another region",
      { ...adopted, appLogin: "secret", kmsKeyId: "arn:aws:kms:eu-west-1:123456789012:key/0a1b2c3d" },
      ["kmsKeyId"],
    ],
    ["its key has nothing to encrypt", { ...adopted, kmsKeyId: key }, ["kmsKeyId"]],
    ["it says how it would be made", { ...adopted, storageGib: 100, multiAz: true }, ["storageGib", "multiAz"]],
  ])("%s", ([, cell, keys]) => {
    expect(pathsOf(cell)).toEqual(keys);
    expect(JSON.stringify(problemsOf(cell))).not.toContain("hunter2");
  });
});

describe("a cell on RDS that is right", () => {
  test("has the defaults for what it leaves out", () => {
    expect(stackOf({ "eu-1": made, "old-1": adopted }).cells).toEqual({
      "eu-1": {
        name: "eu-1",
        scheduler: "pg_cron",
        ...made,
        identifier: "merchant-jobs-eu-1",
        admin: "merchant_admin",
        rebootWhenPending: "never",
        appLogin: "iam",
        connectionsPerMerchant: 10,
        secondsPerJob: 0.5,
        maxStorageGib: 1000,
        multiAz: true,
        backupDays: 14,
        backupWindow: "22:00-23:00",
        maintenanceWindow: "sun:06:00-sun:07:00",
        databaseInsights: "standard",
        caCertificate: "rds-ca-rsa2048-g1",
        parameters: {
          "cron.database_name": "cron",
          "cron.log_run": "on",
          "cron.log_statement": "off",
          "cron.max_running_jobs": "8",
          max_worker_processes: "16",
          "rds.force_ssl": "1",
          shared_preload_libraries: "pg_stat_statements,pg_cron",
        },
      },
      "old-1": {
        name: "old-1",
        scheduler: "pg_cron",
        ...adopted,
        port: 5432,
        admin: "merchant_admin",
        credential: "iam",
        rebootWhenPending: "never",
        appLogin: "password",
        connectionsPerMerchant: 10,
        secondsPerJob: 0.5,
      },
    });
  });

  test("may have secrets for its applications, by a key of its own, whoever made the instance", () => {
    const { cells } = stackOf({
      "eu-1": { ...made, appLogin: "secret", kmsKeyId: key },
      "old-1": { ...adopted, appLogin: "secret", kmsKeyId: key, credential: { secret: "merchants/admin" } },
    });
    expect(cells["eu-1"]).toMatchObject({ appLogin: "secret", kmsKeyId: key });
    expect(cells["old-1"]).toMatchObject({ appLogin: "secret", kmsKeyId: key });
  });

  test("may have a secret of Secrets Manager, by name or ARN", () => {
    const arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:rds!db-0a1b2c3d-AbCdEf";
    for (const secret of ["merchants/admin", arn]) {
      const { cells } = stackOf({ "eu-1": { ...adopted, credential: { secret } } });
      expect(cells["eu-1"]).toMatchObject({ credential: { secret } });
    }
  });
});

describe("two cells are refused as one server when", () => {
  test.for<readonly [string, object, object]>([
    ["both have one identifier in one region", made, { ...made, identifier: "merchant-jobs-eu-1" }],
    ["one adopts what the other makes", made, { ...adopted, identifier: "merchant-jobs-eu-1" }],
    [
      "one has the address of the other's instance",
      adopted,
      { kind: "server", host: adopted.host, admin: "admin", credential: { env: "PASSWORD" } },
    ],
  ])("%s", ([, one, other]) => {
    expect(() => stackOf({ "eu-1": one, "eu-2": other })).toThrow("is the same server as the cell eu-1");
  });

  test("and not when the same identifier is in another region", () => {
    const identifier = "merchant-jobs-eu-1";
    const west = { ...made, identifier, region: "eu-west-1" };
    expect(Object.keys(stackOf({ "eu-1": made, "eu-2": west }).cells)).toEqual(["eu-1", "eu-2"]);
  });
});

test("a merchant may not have the name of a cell's administrator or master user", () => {
  for (const database of ["merchant_admin", "merchant_master"]) {
    expect(problemsOf(made, { acme: { database } })).toMatchObject([{ path: "merchant-jobs:merchants.acme.database" }]);
  }
});
