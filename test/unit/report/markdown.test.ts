import fc from "fast-check";
import { expect, test } from "vitest";
import { code, fit, marker, type Section, tableHead, tableRow } from "../../../report/markdown.ts";
import { shorten } from "../../../report/text.ts";

test("a value in code has nothing that is Markdown, HTML, a mention or the end of a cell", () => {
  expect(code("0 2 * * *")).toBe("`0 2 * * *`");
  expect(code("@everyone <b> [x](y) *z*")).toBe("`@everyone <b> [x](y) *z*`");
  expect(code("a|b")).toBe("<code>a&#124;b</code>");
  expect(code("a\\")).toBe("<code>a&#92;</code>");
  expect(code("`rm`")).toBe("<code>&#96;rm&#96;</code>");
  expect(code("two\nlines\u0007 \u202Eturned")).toBe("`two lines� �turned`");
  expect(code("")).toBe("an empty text");
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (value) => {
      const written = code(value);
      const inside = /^`([^`]*)`$/.exec(written)?.[1] ?? /^<code>(.*)<\/code>$/.exec(written)?.[1];
      if (written === "an empty text") return;
      expect(inside).toBeDefined();
      expect(inside).not.toMatch(/[|`\n\\]/);
      if (written.startsWith("<")) expect(inside?.replace(/&#\d+;/g, "")).toMatch(/^[A-Za-z0-9 ,;()=+-]*$/);
    }),
  );
});

test("a text is cut between two characters, and never in the middle of one", () => {
  expect(shorten("abcdef", 6)).toBe("abcdef");
  expect(shorten("abcdefg", 6)).toBe("abcde…");
  expect(shorten("abcd🙂fg", 6)).toBe("abcd…");
});

test("a document keeps to its limit by whole lines, says how many are left out, and no table or fold is broken", () => {
  const lines = fc.array(
    fc.string({ maxLength: 200 }).map((text) => tableRow(code(text), "x")),
    { maxLength: 60 },
  );
  const section = fc
    .record({ lines, fold: fc.boolean() })
    .map((some): Section => ({ ...some, head: ["### T", "", ...tableHead("a", "b")], what: "row" }));
  fc.assert(
    fc.property(fc.array(section, { maxLength: 5 }), fc.integer({ min: 1_500, max: 6_000 }), (sections, limit) => {
      const text = fit(sections, limit);
      expect(text.length).toBeLessThanOrEqual(limit);
      const written = text.split("\n");
      expect(written.filter((line) => line.startsWith("<details>")).length).toBe(
        written.filter((line) => line === "</details>").length,
      );
      const rows = written.filter((line) => line.endsWith("| x |"));
      const all = sections.flatMap((one) => one.lines);
      for (const row of rows) expect(all).toContain(row);
      const left = [...text.matchAll(/_… and ([\d,]+) more rows?, left out/g)].map(([, n]) =>
        Number(n?.replace(",", "")),
      );
      expect(rows.length + left.reduce((sum, n) => sum + n, 0)).toBe(all.length);
    }),
  );
});

test("a marker is one HTML comment, whatever the stack is called", () => {
  expect(marker("drift", "org/prod-1")).toBe("<!-- merchant-jobs drift of org/prod-1 -->");
  expect(marker("preview", "a--> <b>")).toBe("<!-- merchant-jobs preview of a-____b_ -->");
});
