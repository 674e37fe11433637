import { expect, test } from "vitest";
import { nextToVisit, notVisited, type Visited } from "../../../runner/visited.ts";

const merchants = ["acme", "bluebird", "coral"].map((merchant) =>
  notVisited({ merchant, database: merchant, suspended: false, scheduler: "pg_cron" }, 0),
);
const named = (visited: Visited | undefined) => visited?.known.merchant;

test("on a cell that is too slow for all, each merchant is visited in turn, and none never", () => {
  const visits: (string | undefined)[] = [];
  for (let now = 1_000; visits.length < 7; now += 1_000) {
    const next = nextToVisit(merchants, now)!;
    visits.push(named(next));
    // Its next visit is wanted long before the others had theirs.
    next.nextVisit = now + 200;
  }
  expect(visits).toEqual(["acme", "bluebird", "coral", "acme", "bluebird", "coral", "acme"]);
});

test("one that is being visited, whose time has not come, or that is left alone, is passed over", () => {
  const [acme, bluebird, coral] = merchants as [Visited, Visited, Visited];
  const now = 100_000;
  acme.visiting = true;
  bluebird.retryAt = now + 1;
  expect(named(nextToVisit(merchants, now))).toBe("coral");
  coral.nextVisit = now + 1;
  expect(nextToVisit(merchants, now)).toBeUndefined();
});
