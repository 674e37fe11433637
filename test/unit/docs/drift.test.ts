import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { NOT_SHOWN, PAGE } from "../../drift/page.ts";

const page = readFileSync(path.join(import.meta.dirname, "../../../docs/drift.md"), "utf8");

/** The page's sections by their headings, tables and lists as rows. */
const sections = new Map(
  page.split(/^## /m).map((section) => {
    const [heading = "", ...lines] = section.split("\n");
    const rows = lines.filter((line) => line.startsWith("|")).slice(2);
    const items = lines.filter((line) => line.startsWith("- "));
    return [heading, { rows: rows.map(cellsOf), items: items.map((line) => line.slice(2)) }] as const;
  }),
);

function cellsOf(line: string): readonly string[] {
  return line
    .split("|")
    .slice(1, -1)
    .map((cell) => cell.trim());
}

test.each(Object.entries(PAGE))("drift.md lists what is tested, no more and no less: %s", (heading, rows) => {
  const written = rows.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
  expect(sections.get(heading)?.rows, `the rows shall be:\n${written}\n`).toEqual(rows);
});

test("drift.md lists what is not shown, as it is tested", () => {
  expect(sections.get("What is not shown")?.items).toEqual(NOT_SHOWN);
});

test("no kind is there twice, and there are at least 45", () => {
  const kinds = Object.values(PAGE).flatMap((rows) => rows.map(([kind]) => kind));
  expect(new Set(kinds).size).toBe(kinds.length);
  expect(kinds.length).toBeGreaterThanOrEqual(45);
});
