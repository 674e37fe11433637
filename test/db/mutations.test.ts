// A test suite is worth what it finds: each fault of test/jobs/mutations/, put into a fresh database, fails the check
// that is named beside it, and that check passes without it.
import { expect, test } from "vitest";
import { CHECKS } from "../jobs/checks/all.ts";
import { useCopies } from "../jobs/copies.ts";
import { failureOf } from "../jobs/failure-of.ts";
import { MUTATIONS } from "../jobs/mutations/all.ts";
import { statementsOf } from "../jobs/mutations/mutation.ts";

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

// Side by side: a check that fails may have waited for what never came.
test.concurrent.for(MUTATIONS)("$name: caught by $check.name", async (mutation) => {
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
    // And by what it is there for, not by something else that went wrong.
    expect(failureOf(caught)).toBe(mutation.fails);
  });
});
