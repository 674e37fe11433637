import { expect, test } from "vitest";
import { busiestMinute } from "../../../spec/busiest-minute.ts";
import { parseStack } from "../../../spec/stack.ts";

const server = (host: string) => ({ kind: "server", host, admin: "a", credential: { env: "P" } });
const cells = { home: server("a"), other: server("b"), empty: server("c") };
const of = (merchants: object, jobs?: object) => parseStack({ cells, merchants, jobs }).merchants;

test("it is the first minute with the most jobs, of the cell's merchants and of jobs that run", () => {
  const merchants = of({
    acme: { cell: "home" },
    bluebird: { cell: "home", jobs: { lot_expiry: { enabled: false } } },
    coral: { cell: "home", suspended: true },
    dahlia: { cell: "other", jobs: { ops_cleanup: { schedule: "30 seconds" }, catch_up: { schedule: "7 7 7 7 7" } } },
  });
  // At 02:00 two of each job of several times a day, and one lot_expiry; at 03:00 two of idempotency_cleanup.
  expect(busiestMinute(merchants, "home")).toEqual({ time: "03:00", jobs: 6, of: 9 });
  expect(busiestMinute(merchants, "other")).toEqual({ time: "02:00", jobs: 2, of: 5 });
  expect(busiestMinute(merchants, "empty")).toBeUndefined();
});

test("spread makes it smaller", () => {
  const merchants = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`shop_${i}`, { cell: "home" }]));
  const all = busiestMinute(of(merchants), "home");
  expect(all).toEqual({ time: "02:00", jobs: 300, of: 500 });
  const jobs = { ops_cleanup: { spread: "5m" }, catch_up: { spread: "15m" }, lot_expiry: { spread: "45m" } };
  expect(busiestMinute(of(merchants, jobs), "home")!.jobs).toBeLessThan(150);
});

test("it counts what pg_cron starts, so that a time zone counts at every offset", () => {
  const quiet = Object.fromEntries(
    ["ops_cleanup", "idempotency_cleanup", "history_cleanup", "catch_up"].map((job) => [job, { enabled: false }]),
  );
  const merchants = of({ acme: { cell: "home", timezone: "America/New_York", jobs: quiet } });
  expect(busiestMinute(merchants, "home")).toEqual({ time: "06:00", jobs: 1, of: 1 });
});
