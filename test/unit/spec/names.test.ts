import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { JOBS } from "../../../spec/jobs.ts";
import {
  cronJobName,
  DATABASE_NAME,
  defaultDatabase,
  isReservedName,
  MAX_NAME_BYTES,
  MERCHANT_ID,
  roleNames,
} from "../../../spec/names.ts";

const ids = fc.stringMatching(/^[a-z][a-z0-9_]{0,30}$/);
const databases = fc.stringMatching(/^[a-z][a-z0-9_]{0,56}$/);
const jobs = fc.stringMatching(/^[a-z][a-z0-9_]{0,30}$/);
const rolesOf = (database: string): readonly string[] => {
  const { ownerRole, appRole, jobRole } = roleNames(database);
  return [ownerRole, appRole, jobRole];
};
const near = fc.constantFrom("x", "x_app", "x_job", "x_owner", "x_app_owner", "x_owner_app");

test.for(["", "A", "1a", "_a", "a-b", "a.b", "a b", "é", "a".repeat(32), "a\n", "a:b"])(
  "%j is not a merchant's id",
  (id) => {
    expect(MERCHANT_ID.test(id)).toBe(false);
  },
);

describe("for all valid ids and databases", () => {
  test("every name fits into a name of PostgreSQL", () => {
    fc.assert(
      fc.property(ids, databases, jobs, (id, database, job) => {
        const names = [defaultDatabase(id), ...rolesOf(database), cronJobName(id, job)];
        expect(Math.max(...names.map((name) => Buffer.byteLength(name)))).toBeLessThanOrEqual(MAX_NAME_BYTES);
      }),
    );
  });

  test("two merchants have no database in common, unless they are one", () => {
    fc.assert(
      fc.property(ids, ids, (one, other) => {
        expect(defaultDatabase(one) === defaultDatabase(other)).toBe(one === other);
      }),
    );
  });

  test("two databases have no role in common, and the roles of one are three", () => {
    const either = fc.oneof(databases, near);
    fc.assert(
      fc.property(either, either, (one, other) => {
        const roles = new Set([...rolesOf(one), ...rolesOf(other)]);
        expect(roles.size).toBe(one === other ? 3 : 6);
      }),
    );
  });

  test("a job's name in the crontab gives merchant and job back", () => {
    fc.assert(
      fc.property(ids, jobs, (id, job) => {
        expect(cronJobName(id, job).split(":")).toEqual([id, job]);
      }),
    );
  });

  test("the default database is a valid one, and never reserved", () => {
    fc.assert(
      fc.property(ids, (id) => {
        expect(DATABASE_NAME.test(defaultDatabase(id))).toBe(true);
        expect(isReservedName(defaultDatabase(id))).toBe(false);
      }),
    );
  });
});

test.for(["cron", "postgres", "template0", "template1", "rdsadmin", "pg_toast"])("%s is reserved", (name) => {
  expect(isReservedName(name)).toBe(true);
});

test("the catalogue's jobs have names that fit beside the longest id", () => {
  for (const job of Object.keys(JOBS)) expect(job).toMatch(/^[a-z][a-z0-9_]{0,30}$/);
});
