import { describe, expect, test } from "vitest";
import type { InstanceFacts } from "../../../../converge/aws/instance.ts";
import { judgeInstance, notInForce, pendingSentence } from "../../../../converge/aws/standing-plan.ts";

const instance: InstanceFacts = {
  cell: "eu-1",
  region: "eu-central-1",
  identifier: "merchant-jobs-eu-1",
  host: "eu-1.rds.amazonaws.com",
  port: 5432,
  status: "available",
  multiAz: true,
  iamLogin: true,
  parameterGroup: "eu-1-parameters",
  parameterStatus: "in-sync",
};
const group = {
  "cron.database_name": "cron",
  "rds.force_ssl": "1",
  shared_preload_libraries: "pg_stat_statements, pg_cron",
  max_worker_processes: "GREATEST({DBInstanceVCPU*2},8)",
};
const REBOOT = "aws rds reboot-db-instance --region eu-central-1 --db-instance-identifier merchant-jobs-eu-1";

describe("an instance", () => {
  test("is ready with a group that loads pg_cron, in force", () => {
    expect(judgeInstance(instance, group)).toEqual({ state: "ready" });
  });

  test("waits for a reboot, over to the standby where it has one", () => {
    const waiting = { ...instance, parameterStatus: "pending-reboot" };
    expect(judgeInstance(waiting, group)).toEqual({
      state: "waiting",
      sentence:
        "cell eu-1 waits for a reboot: what was changed in its parameter group eu-1-parameters is not in force before: " +
        `${REBOOT} --force-failover`,
    });
    expect(judgeInstance({ ...waiting, multiAz: false }, group)).toMatchObject({
      sentence: expect.stringMatching(/merchant-jobs-eu-1$/) as string,
    });
  });

  test.for<readonly [string, object, readonly string[]]>([
    [
      "does not load pg_cron",
      { ...group, shared_preload_libraries: "pg_stat_statements" },
      ["shared_preload_libraries"],
    ],
    ["keeps its crontabs elsewhere", { ...group, "cron.database_name": "postgres" }, ["cron.database_name"]],
    ["does not log its runs", { ...group, "cron.log_run": "off" }, ["cron.log_run"]],
    ["lets connections in the clear", { ...group, "rds.force_ssl": "0" }, ["rds.force_ssl"]],
    ["does not allow the extension", { ...group, "rds.allowed_extensions": "pgcrypto" }, ["rds.allowed_extensions"]],
    [
      "has too few workers",
      { ...group, "cron.max_running_jobs": "20", max_worker_processes: "20" },
      ["max_worker_processes"],
    ],
    ["says nothing", {}, ["cron.database_name", "shared_preload_libraries"]],
  ])("is wrong when its group %s, and the command sets what is missing", ([, parameters, names]) => {
    const standing = judgeInstance({ ...instance, parameterStatus: "pending-reboot" }, parameters as typeof group);
    if (standing.state !== "wrong") throw new Error(`it is ${standing.state}`);
    const set = [...standing.sentence.matchAll(/ParameterName='([^']+)',ParameterValue='([^']+)'/g)];
    expect(set.map(([, name]) => name)).toEqual(names);
    // What the command sets is right then.
    const values = Object.fromEntries(set.map(([, name = "", value = ""]) => [name, value]));
    expect(judgeInstance(instance, { ...parameters, ...values })).toEqual({ state: "ready" });
  });

  test("with a default group is told to have one of its own, which the command names", () => {
    const standing = judgeInstance({ ...instance, parameterGroup: "default.postgres17" }, {});
    expect(standing).toMatchObject({
      state: "wrong",
      sentence: expect.stringContaining(
        "make a parameter group of your own (default.postgres17 cannot be changed)",
      ) as string,
    });
  });

  test("that lets nobody in by IAM is wrong, with the command that does", () => {
    expect(judgeInstance({ ...instance, iamLogin: false }, group)).toMatchObject({
      state: "wrong",
      sentence: expect.stringContaining("--enable-iam-database-authentication") as string,
    });
  });
});

describe("parameters of a running server", () => {
  const settings = {
    "cron.max_running_jobs": "8",
    "cron.log_run": "on",
    max_connections: "1802",
    shared_preload_libraries: "rdsutils,pg_stat_statements,pg_cron",
    "rds.logical_replication": "off",
  };
  test.for<readonly [string, Record<string, string>, readonly string[]]>([
    ["are in force", { "cron.max_running_jobs": "8", shared_preload_libraries: "pg_stat_statements,pg_cron" }, []],
    ["are written as 1 and on", { "cron.log_run": "1", "rds.logical_replication": "0" }, []],
    ["are computed by RDS", { max_connections: "LEAST({DBInstanceClassMemory/9531392},5000)" }, []],
    ["are not the server's at all", { "rds.force_ssl": "1" }, []],
    ["differ", { max_connections: "500", "cron.max_running_jobs": "10" }, ["cron.max_running_jobs", "max_connections"]],
    ["are one of the libraries", { shared_preload_libraries: "pg_cron" }, []],
    ["lack a library", { shared_preload_libraries: "pg_cron,auto_explain" }, ["shared_preload_libraries"]],
  ])("that %s", ([, wanted, names]) => {
    expect(notInForce(wanted, settings)).toEqual(names);
  });

  test("are named with the command", () => {
    expect(pendingSentence(instance, ["max_connections"])).toBe(
      "cell eu-1 waits for a reboot: max_connections of its parameter group eu-1-parameters is not in force before: " +
        `${REBOOT} --force-failover`,
    );
  });
});
