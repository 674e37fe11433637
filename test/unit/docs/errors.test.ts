// docs/errors.md has what the code says, word for word, and every SQLSTATE that the SQL files raise.
import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { ERROR_TEXTS } from "./error-texts.ts";

const repository = path.join(import.meta.dirname, "..", "..", "..");
const page = readFileSync(path.join(repository, "docs", "errors.md"), "utf8");
const blocks = new Map([...page.matchAll(/^```text (\S+)\n(.*?)\n```$/gms)].map(([, name = "", text]) => [name, text]));

describe("docs/errors.md", () => {
  test.for(Object.entries(ERROR_TEXTS))("%s is what the code says", async ([name, text]) => {
    expect(blocks.get(name)).toBe(await text());
  });

  test("has no text that the code does not say", () => {
    expect([...blocks.keys()].toSorted()).toEqual(Object.keys(ERROR_TEXTS).toSorted());
  });

  test("says of each why, and the way out", () => {
    const entries = page.split(/^### /m).slice(1);
    for (const entry of entries)
      expect(entry, entry.split("\n")[0]).toMatch(/```$.*^\*\*Why\.\*\* .*^\*\*Way out\.\*\* /ms);
    expect(entries.length).toBeGreaterThan(20);
  });

  test("shows no password", () => {
    expect(page).not.toMatch(/hunter2|not shown/);
  });
});

/** A text, and the first SQLSTATE of ours after it and before the next text. */
const RAISED = /raise exception '((?:[^']|'')*)'(?:(?!raise exception)[^])*?'(MJ\d{3})'/g;

/** What `raise exception` says for each SQLSTATE of ours, with … for what is filled in. */
function raised(): ReadonlyMap<string, ReadonlySet<string>> {
  const found = new Map<string, Set<string>>();
  for (const file of globSync("sql/**/*.sql", { cwd: repository })) {
    const sql = readFileSync(path.join(repository, file), "utf8");
    for (const [, text = "", code = ""] of sql.matchAll(RAISED)) {
      found.set(code, (found.get(code) ?? new Set()).add(text.replaceAll("''", "'").replaceAll("%", "…")));
    }
  }
  return found;
}

test("docs/errors.md has every SQLSTATE that a routine raises, with its text and a way out", () => {
  const rows = [...page.matchAll(/^\| (MJ\d{3}) +\| (.*?) +\| (.*?) +\|$/gm)];
  const written = new Map(rows.map(([, code = "", text = "", way = ""]) => [code, { text, way }]));
  const all = raised();
  expect([...written.keys()].toSorted()).toEqual([...all.keys()].toSorted());
  for (const [code, texts] of all) {
    for (const text of texts) expect(written.get(code)?.text, code).toContain(text);
    expect(written.get(code)?.way.length, code).toBeGreaterThan(8);
  }
});
