import { describe, expect, test } from "vitest";
import { parseStack, type RawStack } from "../../../spec/stack.ts";
import { refuse } from "./refuse.ts";

const home = { home: { kind: "local" } };

describe("names that meet on one server are refused", () => {
  const server = { kind: "server", host: "h", admin: "merchant_acme_app", credential: { env: "P" } };

  test.for<readonly [string, RawStack, string, string]>([
    [
      "two merchants in one database",
      { cells: home, merchants: { acme: {}, zed: { database: "merchant_acme" } } },
      "merchants.zed.database",
      "is the database of acme on the cell home",
    ],
    [
      "a role as the administrator",
      { cells: { ext: server }, merchants: { acme: {} } },
      "merchants.acme.database",
      "gives the name merchant_acme_app, which is the administrator of the cell ext",
    ],
    [
      "a database as the administrator",
      { cells: { ext: server }, merchants: { x: { database: "merchant_acme_app" } } },
      "merchants.x.database",
      "gives the name merchant_acme_app, which is the administrator of the cell ext",
    ],
    [
      "two local cells",
      { cells: { ...home, second: { kind: "local" } }, merchants: {} },
      "cells.second",
      "is the same server as the cell home (the local server): a server is one cell",
    ],
    [
      "two cells of one address",
      { cells: { ext: server, twin: { ...server, host: "H", port: 5432 } }, merchants: {} },
      "cells.twin",
      "is the same server as the cell ext (h port 5432): a server is one cell",
    ],
  ])("%s", ([, raw, path, rule]) => {
    expect(refuse(raw).problems).toMatchObject([{ path: `merchant-jobs:${path}`, rule }]);
  });

  test("on two servers they do not meet", () => {
    const cells = { one: { ...server, host: "one", admin: "a" }, two: { ...server, host: "two", admin: "a" } };
    const merchants = { acme: { cell: "one", database: "shop" }, zed: { cell: "two", database: "shop" } };
    expect(parseStack({ cells, merchants }).merchants).toHaveLength(2);
  });
});

describe("a configuration key that nothing reads is refused", () => {
  const ext = { ext: { kind: "server", host: "h", admin: "a", credential: { config: "extPassword" } } };

  test("but not the one that a cell's credential names, with or without the namespace", () => {
    expect(() => parseStack({ cells: ext, merchants: {}, unknownKeys: ["merchant-jobs:extPassword"] })).not.toThrow();
    expect(() => parseStack({ cells: ext, merchants: {}, unknownKeys: ["extPassword"] })).not.toThrow();
  });

  test("nor does a cell that is wrong in another way make its credential's key unknown", () => {
    const { problems } = refuse({
      cells: { ext: { ...ext.ext, host: "" } },
      merchants: {},
      unknownKeys: ["extPassword"],
    });
    expect(problems.map(({ path }) => path)).toEqual(["merchant-jobs:cells.ext.host"]);
  });
});
