import { describe, expect, test } from "vitest";
import { parseStack } from "../../../spec/stack.ts";
import { refuse } from "./refuse.ts";

const cells = { home: { kind: "local" } };
const acme = (offboard: unknown) => ({ cells, merchants: { acme: { offboard } } });
const path = "merchant-jobs:merchants.acme.offboard";

describe("how a merchant leaves is refused:", () => {
  test.for<[string, unknown, string, string]>([
    ["a word", "exports", path, "must be a map of settings"],
    ["no folder", {}, `${path}.export`, "is missing: it must be the path of a folder, or"],
    ["a number as folder", { export: 7 }, `${path}.export`, "must be the path of a folder"],
    ["an empty folder", { export: "" }, `${path}.export`, "must have 1 to 500 characters"],
    ["a folder that goes up", { export: "exports/../../etc" }, `${path}.export`, "must not go up"],
    ["a folder that goes up in Windows' way", { export: "exports\\..\\x" }, `${path}.export`, "must not go up"],
    ["a home folder", { export: "~/exports" }, `${path}.export`, "must not begin with ~"],
    ["a line break", { export: "exports\n" }, `${path}.export`, "must have no control characters"],
    ["a blank at its end", { export: "exports " }, `${path}.export`, "must not begin or end with a blank"],
    ["an address", { export: "https://example.com/x" }, `${path}.export`, "must be a path, or an address of S3"],
    ["S3 without a bucket", { export: "s3:///exports" }, `${path}.export`, "must name a bucket that can be"],
    ["no time", { export: "x", timeLimitMinutes: 0 }, `${path}.timeLimitMinutes`, "must be a whole number of minutes"],
    ["a drop that is not confirmed", { export: "x", drop: true }, `${path}.confirm`, "is missing"],
    ["a wrong name", { export: "x", drop: true, confirm: "acm" }, `${path}.confirm`, "must be acme"],
    ["a name without a drop", { export: "x", confirm: "acme" }, `${path}.confirm`, "says nothing without drop"],
    ["a setting that does not exist", { export: "x", force: true }, `${path}.force`, "is not a setting that exists"],
  ])("%s", ([, offboard, at, rule]) => {
    const { problems } = refuse(acme(offboard));
    expect(problems).toMatchObject([{ path: at, rule: expect.stringContaining(rule) as string }]);
  });
});

test("a merchant that leaves is suspended, and dropped only when that is confirmed", () => {
  const read = (offboard: object) => parseStack(acme(offboard)).merchants[0];
  expect(read({ export: "exports/2026" })).toMatchObject({
    suspended: true,
    offboard: { phase: "export", export: "exports/2026", timeLimitMinutes: 60 },
  });
  expect(read({ export: "s3://our-exports/2026" })?.offboard?.export).toBe("s3://our-exports/2026");
  expect(read({ export: "/srv/exports", drop: false })?.offboard?.phase).toBe("export");
  expect(read({ export: "/srv/exports", drop: true, confirm: "acme" })?.offboard?.phase).toBe("drop");
  expect(parseStack({ cells, merchants: { acme: {} } }).merchants[0]).not.toHaveProperty("offboard");
});
