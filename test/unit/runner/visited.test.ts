import { expect, test } from "vitest";
import { leaveAlone, nextToVisit, notVisited, type Visited } from "../../../runner/visited.ts";

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

test("a handful that can never be visited does not starve the rest", () => {
  const names = Array.from({ length: 12 }, (_, i) => `merchant${i}`);
  const all = names.map((merchant) =>
    notVisited({ merchant, database: merchant, suspended: false, scheduler: "runner" }, 0),
  );
  const locked = new Set(names.slice(0, 6));
  const visits = new Map<string, number>();
  // A visit to one that is locked takes 20 s, and it is left alone for less than the others take.
  for (let now = 0; now < 3_600_000;) {
    const next = nextToVisit(all, now);
    if (next === undefined) {
      now += 1_000;
      continue;
    }
    const { merchant } = next.known;
    visits.set(merchant, (visits.get(merchant) ?? 0) + 1);
    now += locked.has(merchant) ? 20_000 : 100;
    if (locked.has(merchant)) leaveAlone(next, now + 60_000);
    else next.nextVisit = now + 300_000;
  }
  const rest = names.slice(6).map((merchant) => visits.get(merchant) ?? 0);
  expect(Math.min(...rest)).toBeGreaterThanOrEqual(8);
});

test("one that was left alone is visited then, and not before a later time that was set", () => {
  const one = notVisited({ merchant: "acme", database: "acme", suspended: false, scheduler: "runner" }, 0);
  one.nextVisit = 300_000;
  leaveAlone(one, 1_000);
  expect([one.retryAt, one.nextVisit]).toEqual([1_000, 300_000]);
  leaveAlone(one, 301_000);
  expect([one.retryAt, one.nextVisit]).toEqual([301_000, 301_000]);
});
