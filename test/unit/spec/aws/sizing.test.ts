import { describe, expect, test } from "vitest";
import { notesOn } from "../../../../spec/aws/fits.ts";
import { INSTANCE_CLASSES } from "../../../../spec/aws/instance-classes.ts";
import { defaultConnections } from "../../../../spec/aws/sizing.ts";
import { adopted, made, problemsOf, stackOf } from "./cells.ts";

const merchantsOf = (count: number, more: object = {}) =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`m${index}`, more]));

function notes(cell: object, merchants: object) {
  const stack = stackOf({ "eu-1": cell }, merchants);
  return notesOn(stack.cells["eu-1"]!, stack.merchants);
}

const warnings = (cell: object, merchants: object) =>
  notes(cell, merchants).flatMap(({ level, text }) => (level === "warning" ? [text] : []));

describe("max_connections", () => {
  // The right column: LEAST(memory in bytes / 9531392, 5000), worked out by hand.
  test.for<readonly [string, number]>([
    ["db.t4g.micro", 112],
    ["db.t4g.medium", 450],
    ["db.m7g.large", 901],
    ["db.r7g.large", 1802],
    ["db.r7g.xlarge", 3604],
    ["db.r7g.2xlarge", 5000],
    ["db.r8g.48xlarge", 5000],
  ])("of %s is %i", ([instanceClass, connections]) => {
    expect(defaultConnections(instanceClass)).toBe(connections);
  });

  test("of no class is unknown, and classes are as the guide has them", () => {
    expect(Object.keys(INSTANCE_CLASSES).every((name) => defaultConnections(name) > 0)).toBe(true);
    expect(INSTANCE_CLASSES["db.m6i.32xlarge"]).toEqual({ vcpus: 128, memoryGib: 512 });
    expect(INSTANCE_CLASSES["db.r7i.48xlarge"]).toEqual({ vcpus: 192, memoryGib: 1536 });
    expect(INSTANCE_CLASSES["db.t3.large"]).toEqual({ vcpus: 2, memoryGib: 8 });
  });
});

describe("a cell", () => {
  // 450 connections, of which 20 are kept: room for 43 merchants with 10 each.
  const small = { ...made, instanceClass: "db.t4g.medium" };

  test("that has room says how full it is", () => {
    expect(notes(small, merchantsOf(10))).toEqual([
      {
        level: "info",
        text: "cell eu-1 (db.t4g.medium): 10 of about 43 merchants; used: connections 27 %, worker processes 63 %, jobs in the busiest minute 3 %",
      },
    ]);
  });

  test("is warned about above 80 % only, with the numbers", () => {
    expect(warnings(small, merchantsOf(34))).toEqual([]);
    expect(warnings(small, merchantsOf(35))).toEqual([
      "cell eu-1 is nearly full: connections: 370 of 450 (82 %): 350 of 35 merchants, at most 10 each, and 20 that are " +
        "kept; max_connections of db.t4g.medium. Way out: move merchants to another cell, take a larger instanceClass, or " +
        "lower connectionsPerMerchant",
    ]);
  });

  test("is refused above 100 % only", () => {
    expect(problemsOf(small, merchantsOf(43))).toEqual([]);
    expect(problemsOf(small, merchantsOf(44))).toMatchObject([
      { path: "merchant-jobs:cells.eu-1", rule: expect.stringContaining("connections: 460 of 450 (102 %)") as string },
    ]);
  });

  test("counts no more for a merchant than its database lets in, and its own max_connections", () => {
    expect(warnings(small, merchantsOf(60, { connectionLimit: 5 }))).toEqual([]);
    expect(problemsOf({ ...small, parameters: { max_connections: 100 } }, merchantsOf(9))).toHaveLength(1);
    expect(problemsOf(small, { acme: { connectionLimit: -1 } })).toEqual([]);
  });

  test("with long runs is refused for its busiest minute, and accepted when its jobs are spread", () => {
    const slow = { ...small, secondsPerJob: 10 };
    const [problem] = problemsOf(slow, merchantsOf(20));
    expect(problem?.rule).toContain(
      "jobs in the busiest minute: 60 of 48 (125 %): 60 start at 02:00 GMT; cron.max_running_jobs 8 end 48 in a minute at 10 s each",
    );
    expect(problem?.fix).toContain("spread");
    const spread = {
      jobs: { idempotency_cleanup: { spread: "45m" }, ops_cleanup: { spread: "5m" }, catch_up: { spread: "15m" } },
    };
    expect(problemsOf(slow, merchantsOf(20, spread))).toEqual([]);
  });

  test("that is adopted is measured by its connections when its class is told, and else not", () => {
    expect(notes(adopted, merchantsOf(10))).toEqual([]);
    const [note, ...others] = notes({ ...adopted, instanceClass: "db.t4g.medium" }, merchantsOf(10));
    expect(note?.text).toBe("cell eu-1 (db.t4g.medium): 10 of about 43 merchants; used: connections 27 %");
    expect(others).toEqual([]);
  });
});

describe("a maintenance window", () => {
  test.for<readonly [string, string, boolean]>([
    ["in which daily jobs start", "sun:02:00-sun:02:30", true],
    ["that begins while they may still run", "mon:02:10-mon:03:00", true],
    ["that goes over midnight into them", "sat:23:00-sun:02:05", true],
    ["that goes over the end of the week into them", "sat:23:00-sun:02:05", true],
    ["after them", "sun:04:00-sun:05:00", false],
    ["that ends before them", "sun:01:00-sun:02:00", false],
  ])("%s: warned about or not", ([, maintenanceWindow, warned]) => {
    const found = warnings({ ...made, maintenanceWindow, backupWindow: "12:00-13:00" }, { acme: {} });
    expect(found.length > 0).toBe(warned);
    for (const text of found) expect(text).toContain(`in its maintenance window ${maintenanceWindow} GMT acme:`);
  });

  test("says nothing of jobs that rest or that run all day", () => {
    const cell = { ...made, maintenanceWindow: "sun:02:00-sun:04:00" };
    expect(warnings(cell, { acme: { suspended: true } })).toEqual([]);
    const names = warnings(cell, { acme: {} }).join();
    expect(names).toContain("acme:history_cleanup, acme:idempotency_cleanup, acme:lot_expiry may be at work");
    expect(names).not.toContain("ops_cleanup");
  });
});
