import { readFileSync } from "node:fs";
import path from "node:path";

/** The code blocks of a page of docs/ that are marked so: ```<language> <mark>. */
export function blocksOf(page: string, mark: string): readonly string[] {
  const text = readFileSync(path.join(import.meta.dirname, "..", "docs", page), "utf8");
  return [...text.matchAll(/^```\w+ (\S+)\n(.*?)^```$/gms)]
    .filter(([, found]) => found === mark)
    .map(([, , code]) => code ?? "");
}
