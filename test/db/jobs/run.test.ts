import { expect, test } from "vitest";
import { CHECKS } from "../../jobs/checks/all.ts";
import { useCopies } from "../../jobs/copies.ts";

const { withCopy } = useCopies("jobs");

test("each check has a name of its own", () => {
  expect(new Set(CHECKS.map(([promise]) => promise)).size).toBe(CHECKS.length);
});

// Side by side: most of what a check takes is waiting for sessions that wait for each other.
test.concurrent.for(CHECKS)("%s", async ([, check]) => {
  await withCopy(check);
});
