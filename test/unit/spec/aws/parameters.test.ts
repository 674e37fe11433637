import { describe, expect, test } from "vitest";
import type { RdsCell } from "../../../../spec/aws/rds-cell.ts";
import { groupParameters, staticParameters } from "../../../../spec/aws/parameters.ts";
import { made, problemsOf, stackOf } from "./cells.ts";

const parse = (parameters: object, more: object = {}) => {
  const cell = stackOf({ "eu-1": { ...made, ...more, parameters } }).cells["eu-1"] as RdsCell;
  return cell.parameters;
};

describe("a parameter is refused when", () => {
  test.for<readonly [string, object, string, string]>([
    ["it is misspelt", { work_memm: 8192 }, "is not a parameter of RDS", "did you mean work_mem?"],
    ["its prefix is", { "rds.logical_replicaton": 1 }, "is not a parameter", "did you mean rds.logical_replication?"],
    ["it is nothing like any", { zzz: 1 }, "is not a parameter", "take it out; spec/aws/parameter-table.ts"],
    ["Amazon fixes it", { "cron.use_background_workers": "on" }, "is not yours to set: Amazon fixes it", "take it out"],
    ["this program needs it as it is", { "rds.force_ssl": 0 }, "not yours to set: no connection goes in the clear", ""],
    ["it is too small", { work_mem: 63 }, "must be a whole number from 64 to 2147483647, in kB", ""],
    ["it is too large", { "cron.max_running_jobs": 101 }, "must be a whole number from 1 to 100", ""],
    ["it has a unit", { work_mem: "8MB" }, "must be a whole number from 64", ""],
    ["it is a fraction", { max_connections: 100.5 }, "must be a whole number from 6", ""],
    [
      "it is a formula that sizing could not read",
      { max_connections: "{DBInstanceClassMemory/1}" },
      "whole number",
      "",
    ],
    ["it is no choice", { log_statement: "some" }, "must be one of none, ddl, mod, all", ""],
    ["it is neither true nor false", { log_lock_waits: "yes please" }, "must be true or false", ""],
    ["it is no list of names", { shared_preload_libraries: "auto_explain; x" }, "must be a list of names", ""],
    ["it says nothing", { work_mem: null }, "must be a whole number", ""],
  ])("%s", ([, parameters, rule, fix]) => {
    const [problem, ...others] = problemsOf({ ...made, parameters });
    expect(others).toEqual([]);
    expect(problem?.path).toContain(Object.keys(parameters)[0]);
    expect(problem?.rule).toContain(rule);
    expect(problem?.fix).toContain(fix);
  });

  test("there are fewer workers than jobs that pg_cron starts", () => {
    const parameters = { max_worker_processes: 8, "cron.max_running_jobs": 10 };
    expect(problemsOf({ ...made, parameters })).toMatchObject([
      {
        path: "merchant-jobs:cells.eu-1",
        rule: expect.stringContaining("worker processes: 12 of 8 (150 %)") as string,
      },
    ]);
  });
});

describe("the group of a cell", () => {
  test("writes values as RDS reports them", () => {
    const own = {
      work_mem: "8192",
      log_lock_waits: true,
      jit: "off",
      "cron.log_statement": true,
      random_page_cost: 1.1,
    };
    expect(parse({ ...own, shared_buffers: "{DBInstanceClassMemory/32768}" })).toMatchObject({
      work_mem: "8192",
      log_lock_waits: "1",
      jit: "0",
      "cron.log_statement": "on",
      random_page_cost: "1.1",
      shared_buffers: "{DBInstanceClassMemory/32768}",
    });
  });

  test("loads pg_cron besides what it is told, and allows it where only some extensions are", () => {
    const own = { shared_preload_libraries: ["auto_explain", "pg_cron"], "rds.allowed_extensions": "pgcrypto" };
    expect(parse(own)).toMatchObject({
      shared_preload_libraries: "pg_stat_statements,pg_cron,auto_explain",
      "rds.allowed_extensions": "pgcrypto,pg_cron",
    });
  });

  test.for([
    ["db.t4g.medium", "8", "16"],
    ["db.r7g.2xlarge", "32", "48"],
    ["db.r8g.48xlarge", "100", "484"],
  ])("of %s runs %s jobs at once, with %s workers", ([instanceClass, jobs, workers]) => {
    const found = parse({}, { instanceClass });
    expect([found["cron.max_running_jobs"], found["max_worker_processes"]]).toEqual([jobs, workers]);
  });

  test("has more workers than jobs when only the jobs are told", () => {
    expect(parse({ "cron.max_running_jobs": 50 })).toMatchObject({ max_worker_processes: "58" });
  });

  test("has each parameter with the method that AWS reports for it, in one order", () => {
    expect(groupParameters(parse({ work_mem: 8192, max_connections: 500 }))).toEqual([
      { name: "cron.database_name", value: "cron", applyMethod: "pending-reboot" },
      { name: "cron.log_run", value: "on", applyMethod: "pending-reboot" },
      { name: "cron.log_statement", value: "off", applyMethod: "pending-reboot" },
      { name: "cron.max_running_jobs", value: "8", applyMethod: "pending-reboot" },
      { name: "max_connections", value: "500", applyMethod: "pending-reboot" },
      { name: "max_worker_processes", value: "16", applyMethod: "pending-reboot" },
      { name: "rds.force_ssl", value: "1", applyMethod: "immediate" },
      { name: "shared_preload_libraries", value: "pg_stat_statements,pg_cron", applyMethod: "pending-reboot" },
      { name: "work_mem", value: "8192", applyMethod: "immediate" },
    ]);
  });

  test("knows which of them wait for a reboot", () => {
    expect(Object.keys(staticParameters(parse({ work_mem: 8192 }))).sort()).toEqual([
      "cron.database_name",
      "cron.log_run",
      "cron.log_statement",
      "cron.max_running_jobs",
      "max_worker_processes",
      "shared_preload_libraries",
    ]);
  });
});
