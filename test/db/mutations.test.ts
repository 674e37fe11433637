// A test suite is worth what it finds: each fault of test/jobs/mutations.ts, put into a fresh database, fails the check
// that is named beside it, and that check passes without it.
import { expect, test } from "vitest";
import { CHECKS } from "../jobs/checks/all.ts";
import { useCopies } from "../jobs/copies.ts";
import { MUTATIONS, statementsOf } from "../jobs/mutations.ts";

const { withCopy } = useCopies("mutate");

test("there are mutations, each with a name of its own", () => {
  expect(new Set(MUTATIONS.map(({ name }) => name)).size).toBe(MUTATIONS.length);
  expect(MUTATIONS.length).toBeGreaterThanOrEqual(15);
});

test("each is caught by a check that the engine passes without it", () => {
  // test/db/jobs/run.test.ts runs them all.
  const passed = new Set(CHECKS.map(([, check]) => check));
  expect(MUTATIONS.filter(({ check }) => !passed.has(check)).map(({ name }) => name)).toEqual([]);
});

test.for(MUTATIONS)("$name: caught by $check.name", async (mutation) => {
  const mutated = statementsOf(mutation);
  await withCopy(async (db) => {
    await db.rows(mutated);
    let caught: unknown;
    try {
      await mutation.check(db);
    } catch (error) {
      caught = error;
    }
    expect(caught, `${mutation.check.name} passes on the mutated engine`).toBeDefined();
  });
});
