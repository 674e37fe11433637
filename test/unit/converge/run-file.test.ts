import { expect, test } from "vitest";
import { describeFailure } from "../../../converge/run-file.ts";

const error = (position: string | undefined, extra: object = {}) =>
  Object.assign(new Error('relation "app.nope" does not exist'), { code: "42P01", position, ...extra });

test("a failure names file, line and column and points at the place", () => {
  const text = "select 1;\n\tselect *\nfrom app.nope;\n";
  const position = String(text.indexOf("app.nope") + 1);
  expect(describeFailure({ name: "003_x.sql", text }, error(position, { hint: "look" }))).toBe(
    [
      '003_x.sql:3:6: relation "app.nope" does not exist (42P01)',
      "  3 | from app.nope;",
      "    |      ^",
      "  hint: look",
    ].join("\n"),
  );
});

test("the position counts characters, not UTF-16 units, and a tab before the place stays a tab", () => {
  const text = "-- 😀 é\n\tselect x;";
  expect(describeFailure({ name: "a.sql", text }, error("16"))).toContain("a.sql:2:9:");
  expect(describeFailure({ name: "a.sql", text }, error("16")).split("\n")[2]).toBe("    | \t       ^");
});

test("a failure without a position gives the server's context instead", () => {
  const shown = describeFailure({ name: "a.sql", text: "x" }, error(undefined, { where: "PL/pgSQL function f()" }));
  expect(shown).toContain("where: PL/pgSQL function f()");
});
