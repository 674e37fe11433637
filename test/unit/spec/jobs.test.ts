import { describe, expect, test } from "vitest";
import { JOBS } from "../../../spec/jobs.ts";
import { parseSchedule } from "../../../spec/schedule.ts";
import { parseStack } from "../../../spec/stack.ts";

const catalogue = Object.entries(JOBS);

describe("the catalogue", () => {
  test.for(catalogue)("%s has a schedule that the oldest pg_cron takes", ([, { schedule }]) => {
    expect(parseSchedule(schedule)).toMatchObject({ kind: "cron", requires: "1.4" });
  });

  test.for(catalogue)("%s calls a procedure that is named with its schema", ([, { procedure }]) => {
    expect(procedure).toMatch(/^[a-z_]+\.[a-z_]+$/);
  });

  test.for(catalogue)("%s may take less time than its last success may be old", ([, job]) => {
    expect(job.timeLimitSeconds).toBeLessThan(job.maxAgeSeconds);
    expect(job.batchSize).toBeGreaterThan(0);
  });
});

test("the crontab of a merchant that changes nothing is schedule and exactly one CALL for each job", () => {
  const [acme] = parseStack({ cells: { home: { kind: "local" } }, merchants: { acme: {} } }).merchants;
  expect(Object.values(acme?.jobs ?? {}).map(({ name, schedule, command }) => [name, schedule, command])).toEqual([
    ["ops_cleanup", "*/5 * * * *", "CALL app.cleanup_expired_operations()"],
    ["lot_expiry", "0 2 * * *", "CALL app.expire_lots()"],
    ["idempotency_cleanup", "0 3 * * *", "CALL app.cleanup_idempotency()"],
  ]);
});
