import { expect, test } from "vitest";
import { compareContents } from "../../../converge/contents.ts";

const lots = { rows: "3", hash: "17", sums: { amount_minor: "300", lot_id: "6" } };
const nothing = { rows: "0", hash: "0", sums: { amount_minor: null } };

test("what is different is said by table, with the figures", () => {
  const after = (changes: object) => ({ "app.lots": { ...lots, ...changes } });
  expect(compareContents(after({}), after({}))).toEqual([]);
  expect(compareContents(after({}), after({ rows: "4", hash: "18" }))).toEqual(["app.lots has 4 rows, not 3"]);
  expect(compareContents(after({}), after({ sums: { amount_minor: "299", lot_id: "6" } }))).toEqual([
    "app.lots.amount_minor sums to 299, not 300",
  ]);
  expect(compareContents(after({}), after({ hash: "18" }))).toEqual(["app.lots has other rows"]);
  expect(compareContents({ a: nothing }, { b: nothing })).toEqual(["a is missing", "b is new"]);
  expect(compareContents({ a: nothing }, { a: { ...nothing, sums: { amount_minor: "1" } } })).toEqual([
    "a.amount_minor sums to 1, not nothing",
  ]);
});

test("of very many differences the first are said", () => {
  const many = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`t${String(i)}`, nothing]));
  expect(compareContents({}, many).at(-1)).toBe("and 4 more");
});
