import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { type JobDefinition, JOBS } from "../../../spec/jobs.ts";
import { parseSchedule } from "../../../spec/schedule.ts";
import { parseStack } from "../../../spec/stack.ts";
import { refuse } from "./refuse.ts";

const catalogue: readonly (readonly [string, JobDefinition])[] = Object.entries(JOBS);
const repository = path.join(import.meta.dirname, "..", "..", "..");
const sql = globSync("sql/merchant/**/*.sql", { cwd: repository })
  .map((file) => readFileSync(path.join(repository, file), "utf8"))
  .join("\n");
const cells = { home: { kind: "local" } };

/** The jobs of merchant acme, from its line and from what is said for all merchants. */
function jobs(line: object, common?: object) {
  const [acme] = parseStack({ cells, merchants: { acme: line }, jobs: common }).merchants;
  if (acme === undefined) throw new Error("no merchant");
  return acme.jobs;
}

describe("the catalogue", () => {
  test.for(catalogue)("%s has a schedule that the oldest pg_cron takes", ([, { schedule }]) => {
    expect(parseSchedule(schedule)).toMatchObject({ kind: "cron", requires: "1.4" });
  });

  test.for(catalogue)("%s calls a procedure that is named with its schema", ([, { procedure }]) => {
    expect(procedure).toMatch(/^[a-z_]+\.[a-z_]+$/);
  });

  test.for(catalogue)("%s calls a procedure that a file of sql/merchant/ makes, with its batch function", ([, job]) => {
    const made = ["procedure", "function"].map((kind) => new RegExp(`^create or replace ${kind} ([a-z_.]+)\\(`, "gm"));
    const [procedures, functions] = made.map((line) => [...sql.matchAll(line)].map(([, name]) => name));
    expect(procedures).toContain(job.procedure);
    if (job.batches) expect(functions).toContain(`${job.procedure}_batch`);
  });

  test.for(catalogue)("%s has limits that app.jobs takes, or no batches", ([, { batches }]) => {
    const { batchSize = 1, timeLimitSeconds = 1 } = batches ?? {};
    expect(batchSize).toBeGreaterThan(0);
    expect(timeLimitSeconds).toBeGreaterThan(0);
    expect(timeLimitSeconds).toBeLessThanOrEqual(86_400);
  });
});

test("the crontab of a merchant that changes nothing is schedule and exactly one CALL for each job", () => {
  expect(Object.values(jobs({})).map(({ name, schedule, command }) => [name, schedule, command])).toEqual([
    ["ops_cleanup", "*/5 * * * *", "CALL app.cleanup_expired_operations()"],
    ["lot_expiry", "0 2 * * *", "CALL app.expire_lots()"],
    ["idempotency_cleanup", "0 3 * * *", "CALL app.cleanup_idempotency()"],
    ["history_cleanup", "30 3 * * *", "CALL app.cleanup_history()"],
    ["catch_up", "*/15 * * * *", "CALL app.run_overdue()"],
  ]);
});

describe("changes for all merchants and a merchant's own", () => {
  const common = {
    lot_expiry: { schedule: "30 4 * * *", batchSize: 500, enabled: false },
    idempotency_cleanup: { settings: { retentionDays: 30 }, timeLimitSeconds: 60 },
  };

  test("the first stand where the second say nothing", () => {
    const changed = jobs({}, common);
    expect(changed["lot_expiry"]).toMatchObject({
      schedule: "30 4 * * *",
      due: "30 4 * * *",
      enabled: false,
      batches: { batchSize: 500, timeLimitSeconds: 600 },
    });
    expect(changed["idempotency_cleanup"]?.batches).toEqual({
      batchSize: 2000,
      timeLimitSeconds: 60,
      movesMoney: false,
      settings: { retentionDays: 30 },
    });
    expect(changed["history_cleanup"]?.batches?.settings).toEqual({ retentionDays: 90 });
    expect(changed["catch_up"]?.batches).toBeUndefined();
  });

  test("the second win, each value by itself", () => {
    const own = { lot_expiry: { enabled: true }, idempotency_cleanup: { settings: { retentionDays: 3 } } };
    const changed = jobs({ jobs: own }, common);
    expect(changed["lot_expiry"]).toMatchObject({ schedule: "30 4 * * *", enabled: true });
    expect(changed["idempotency_cleanup"]?.batches).toMatchObject({
      timeLimitSeconds: 60,
      settings: { retentionDays: 3 },
    });
  });

  test.for<readonly [string, object, object | undefined, string, string]>([
    ["a job that is not there", {}, { lot_expirey: {} }, "jobs.lot_expirey", "is not a job of the catalogue"],
    ["a schedule that is none", {}, { lot_expiry: { schedule: "1" } }, "jobs.lot_expiry.schedule", "is not a schedule"],
    [
      "a spread that is none",
      { lot_expiry: { spread: 45 } },
      {},
      "merchants.acme.jobs.lot_expiry.spread",
      "must be min",
    ],
    ["a spread of days", { lot_expiry: { spread: "25h" } }, {}, "merchants.acme.jobs.lot_expiry.spread", "must be min"],
    ["no batch", {}, { lot_expiry: { batchSize: 0 } }, "jobs.lot_expiry.batchSize", "must be a whole number of items"],
    [
      "batches of a job that has none",
      { catch_up: { batchSize: 5 } },
      {},
      "merchants.acme.jobs.catch_up.batchSize",
      "is not a setting that exists",
    ],
    [
      "a setting of another job",
      { lot_expiry: { settings: { retentionDays: 5 } } },
      {},
      "merchants.acme.jobs.lot_expiry.settings.retentionDays",
      "is not a setting that exists",
    ],
    [
      "no retention",
      { history_cleanup: { settings: { retentionDays: 0.5 } } },
      {},
      "merchants.acme.jobs.history_cleanup.settings.retentionDays",
      "must be a whole number of days from 1 to 3650",
    ],
    [
      "settings as a list",
      {},
      { history_cleanup: { settings: [1] } },
      "jobs.history_cleanup.settings",
      "must be a map of settings",
    ],
    [
      "a time limit of a week",
      {},
      { lot_expiry: { timeLimitSeconds: 604_800 } },
      "jobs.lot_expiry.timeLimitSeconds",
      "",
    ],
    ["jobs as a list", {}, [1], "jobs", "must map jobs to changes"],
  ])("%s is refused at its place", ([, own, common, path, rule]) => {
    const { problems } = refuse({ cells, merchants: { acme: { jobs: own } }, jobs: common });
    expect(problems).toMatchObject([{ path: `merchant-jobs:${path}`, rule: expect.stringContaining(rule) as string }]);
  });

  test("what does not fit together is told once where all merchants have it, else at the merchant", () => {
    const spread = { lot_expiry: { schedule: "0 2,14 * * *", spread: "45m" } };
    const refused = refuse({ cells, merchants: { acme: {}, bluebird: {} }, jobs: spread });
    expect(refused.problems.map(({ path }) => path)).toEqual(["merchant-jobs:jobs.lot_expiry.spread"]);
    const own = { acme: { jobs: { lot_expiry: { schedule: "0 2,14 * * *" } } }, bluebird: {} };
    const mine = refuse({ cells, merchants: own, jobs: { lot_expiry: { spread: "45m" } } });
    expect(mine.problems.map(({ path }) => path)).toEqual(["merchant-jobs:merchants.acme.jobs.lot_expiry.schedule"]);
    // A merchant may do without.
    const without = { lot_expiry: { schedule: "0 2,14 * * *", spread: "0m" } };
    expect(jobs({ jobs: without }, { lot_expiry: { spread: "45m" } })["lot_expiry"]?.schedule).toBe("0 2,14 * * *");
  });
});
