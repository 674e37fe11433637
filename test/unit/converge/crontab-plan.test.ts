import { describe, expect, test } from "vitest";
import { type CronRow, type DesiredCrontab, foundJobs, planCrontab } from "../../../converge/crontab-plan.ts";
import { endedBy } from "../../../converge/running-jobs.ts";

const desired: DesiredCrontab = {
  merchant: "acme",
  database: "merchant_acme",
  jobRole: "merchant_acme_job",
  suspended: false,
  jobs: { lot_expiry: { schedule: "0 2 * * *", command: "CALL app.expire_lots()", active: true } },
};

const row: CronRow = {
  jobid: "7",
  jobname: "acme:lot_expiry",
  username: "merchant_acme_job",
  database: "merchant_acme",
  schedule: "0 2 * * *",
  command: "CALL app.expire_lots()",
  active: true,
};

const schedule = {
  kind: "schedule",
  name: "acme:lot_expiry",
  schedule: "0 2 * * *",
  command: "CALL app.expire_lots()",
  active: true,
};
const alter = { kind: "alter", jobid: "7", database: "merchant_acme", active: true };

describe("planCrontab", () => {
  const cases: readonly (readonly [string, readonly CronRow[], readonly object[]])[] = [
    ["nothing for rows that are as declared", [row], []],
    ["the missing job", [], [schedule]],
    ["another schedule", [{ ...row, schedule: "30 2 * * *" }], [schedule]],
    ["another command", [{ ...row, command: "select 1" }], [schedule]],
    ["a paused job", [{ ...row, active: false }], [alter]],
    ["a job in another database", [{ ...row, database: "merchant_b" }], [alter]],
    ["schedule and pause together", [{ ...row, schedule: "1 1 * * *", active: false }], [schedule, alter]],
    [
      "the same name under another user, which is another job",
      [row, { ...row, jobid: "8", username: "mallory" }],
      [{ kind: "unschedule", jobid: "8", label: "lot_expiry@mallory" }],
    ],
    [
      "an unnamed job in the merchant's database",
      [row, { ...row, jobid: "9", jobname: null }],
      [{ kind: "unschedule", jobid: "9", label: "#9" }],
    ],
    [
      "a job that left the catalogue",
      [row, { ...row, jobid: "10", jobname: "acme:old_job" }],
      [{ kind: "unschedule", jobid: "10", label: "old_job" }],
    ],
  ];
  test.each(cases)("plans for %s", (_what, rows, steps) => {
    expect(planCrontab(desired, rows)).toEqual(steps);
  });

  test("plans every job inactive for a suspended merchant", () => {
    const suspended = { ...desired, jobs: { lot_expiry: { ...desired.jobs["lot_expiry"]!, active: false } } };
    expect(planCrontab(suspended, [row])).toEqual([{ ...alter, active: false }]);
  });
});

describe("foundJobs", () => {
  test("names database and user only where they are not the merchant's", () => {
    const { schedule: when, command, active } = row;
    expect(foundJobs(desired, [row, { ...row, jobid: "8", username: "mallory", database: "other" }])).toEqual({
      lot_expiry: { schedule: when, command, active },
      "lot_expiry@mallory": { schedule: when, command, active, database: "other", user: "mallory" },
    });
  });
});

describe("endedBy", () => {
  const ends = (jobs: object, rows: readonly CronRow[] = [row]) =>
    endedBy(planCrontab({ ...desired, jobs: jobs as DesiredCrontab["jobs"] }, rows), rows);
  const job = desired.jobs["lot_expiry"]!;

  test("is a pause, and the removal of an active job", () => {
    expect(ends({ lot_expiry: { ...job, active: false } })).toEqual(["7"]);
    expect(ends({})).toEqual(["7"]);
  });

  test("is no change of schedule, command or database, and nothing of a job that rests already", () => {
    expect(ends({ lot_expiry: { ...job, schedule: "1 1 * * *", command: "CALL app.x()" } })).toEqual([]);
    expect(ends(desired.jobs, [{ ...row, database: "other" }])).toEqual([]);
    expect(ends({}, [{ ...row, active: false }])).toEqual([]);
    expect(ends(desired.jobs, [{ ...row, active: false }])).toEqual([]);
  });
});
