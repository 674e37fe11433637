import { expect, test } from "vitest";
import { CHECKS } from "../../jobs/checks/all.ts";
import { useCopies } from "../../jobs/copies.ts";

const { withCopy } = useCopies("jobs");

test("each check has a name of its own", () => {
  expect(new Set(CHECKS.map(([promise]) => promise)).size).toBe(CHECKS.length);
});

test.for(CHECKS)("%s", async ([, check]) => {
  await withCopy(check);
});
