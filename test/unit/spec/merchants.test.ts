import { describe, expect, test } from "vitest";
import type { RawStack } from "../../../spec/stack.ts";
import { refuse } from "./refuse.ts";

const home = { home: { kind: "local" } };

describe("a map that is no map is refused", () => {
  test.for<readonly [string, RawStack, string, string]>([
    [
      "no cells",
      { cells: undefined, merchants: {} },
      "merchant-jobs:cells",
      "is missing: it maps names of cells to servers",
    ],
    ["cells as a list", { cells: [home], merchants: {} }, "merchant-jobs:cells", "must map names of cells to servers"],
    ["no cell", { cells: {}, merchants: {} }, "merchant-jobs:cells", "must have at least one cell"],
    [
      "a cell as text",
      { cells: { home: "local" }, merchants: {} },
      "merchant-jobs:cells.home",
      "must be a map of settings",
    ],
    [
      "no merchants",
      { cells: home, merchants: undefined },
      "merchant-jobs:merchants",
      "is missing: it maps ids of merchants to settings",
    ],
    [
      "merchants as a list",
      { cells: home, merchants: ["acme"] },
      "merchant-jobs:merchants",
      "must map ids of merchants to settings",
    ],
    [
      "merchants as text",
      { cells: home, merchants: "acme" },
      "merchant-jobs:merchants",
      "must map ids of merchants to settings",
    ],
    [
      "a merchant without braces",
      { cells: home, merchants: { acme: null } },
      "merchant-jobs:merchants.acme",
      "must be a map of settings",
    ],
    [
      "jobs as a list",
      { cells: home, merchants: { acme: { jobs: ["x"] } } },
      "merchant-jobs:merchants.acme.jobs",
      "must map jobs to changes",
    ],
    [
      "a job as text",
      { cells: home, merchants: { acme: { jobs: { lot_expiry: "@daily" } } } },
      "merchant-jobs:merchants.acme.jobs.lot_expiry",
      "must be a map of settings",
    ],
  ])("%s", ([, raw, path, rule]) => {
    expect(refuse(raw).problems).toMatchObject([{ path, rule }]);
  });
});

describe("a merchant's line is refused when", () => {
  test.for<readonly [string, unknown, string, string]>([
    ["suspended is text", { suspended: "yes" }, "suspended", "must be true or false"],
    [
      "the limit is 0",
      { connectionLimit: 0 },
      "connectionLimit",
      "must be a whole number from 1 to 262143, or -1 for no limit",
    ],
    [
      "the limit is text",
      { connectionLimit: "50" },
      "connectionLimit",
      "must be a whole number from 1 to 262143, or -1 for no limit",
    ],
    [
      "the limit is a fraction",
      { connectionLimit: 1.5 },
      "connectionLimit",
      "must be a whole number from 1 to 262143, or -1 for no limit",
    ],
    ["the cell is a number", { cell: 1 }, "cell", "must be the name of a cell"],
    ["the cell is unknown", { cell: "constructor" }, "cell", "is not a cell of merchant-jobs:cells"],
    [
      "the database has upper case",
      { database: "Acme" },
      "database",
      "must be lower-case letters, digits and _, a letter first, at most 57 bytes (its roles are longer)",
    ],
    [
      "the database is reserved",
      { database: "cron" },
      "database",
      "is a name that PostgreSQL, RDS or the cell's own cron database has",
    ],
    [
      "the database begins as PostgreSQL's own",
      { database: "pg_x" },
      "database",
      "is a name that PostgreSQL, RDS or the cell's own cron database has",
    ],
    ["a key is unknown", { suspend: true }, "suspend", "is not a setting that exists"],
    [
      "a key is that of every object",
      JSON.parse('{"__proto__": {"suspended": true}}'),
      "__proto__",
      "is not a setting that exists",
    ],
    ["a job is unknown", { jobs: { toString: {} } }, "jobs.toString", "is not a job of the catalogue (spec/jobs.ts)"],
    [
      "a job has an unknown key",
      { jobs: { lot_expiry: { enable: false } } },
      "jobs.lot_expiry.enable",
      "is not a setting that exists",
    ],
    [
      "a schedule is a number",
      { jobs: { lot_expiry: { schedule: 5 } } },
      "jobs.lot_expiry.schedule",
      "must be a schedule, as text",
    ],
    [
      "a schedule never comes due",
      { jobs: { lot_expiry: { schedule: "0 0 30 2 *" } } },
      "jobs.lot_expiry.schedule",
      "is not a schedule that pg_cron runs: the day of month: none of its months has such a day",
    ],
  ])("%s", ([, merchant, key, rule]) => {
    expect(refuse({ cells: home, merchants: { acme: merchant } }).problems).toMatchObject([
      { path: `merchant-jobs:merchants.acme.${key}`, rule },
    ]);
  });

  test("it names no cell and there are several", () => {
    const cells = { home: { kind: "local" }, ext: { kind: "server", host: "h", admin: "a", credential: { env: "P" } } };
    expect(refuse({ cells, merchants: { acme: {} } }).problems).toEqual([
      {
        path: "merchant-jobs:merchants.acme.cell",
        rule: "is missing: there is more than one cell",
        fix: "write cell: home or cell: ext",
      },
    ]);
  });

  test("its cell is no text, which is one problem also where there are several cells", () => {
    const cells = { home: { kind: "local" }, ext: { kind: "server", host: "h", admin: "a", credential: { env: "P" } } };
    expect(refuse({ cells, merchants: { acme: { cell: 1 } } }).problems).toMatchObject([{ value: 1 }]);
  });

  test("its value is shown also when its id sounds like a credential", () => {
    const { problems } = refuse({ cells: home, merchants: { token_shop: { suspended: "yes" } } });
    expect(problems).toMatchObject([{ path: "merchant-jobs:merchants.token_shop.suspended", value: "yes" }]);
  });
});
