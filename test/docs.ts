import { globSync, readFileSync } from "node:fs";
import path from "node:path";

const repository = path.join(import.meta.dirname, "..");

/** A block of code on a page: fenced, as ```<language> <mark>, or indented, which has neither. */
export interface Block {
  /** The page, from the repository's root. */
  readonly page: string;
  readonly line: number;
  readonly language?: string;
  readonly mark?: string;
  /** Without the indentation of its fence, or without the one that all of an indented block has. */
  readonly text: string;
}

/** README.md, CONTRIBUTING.md and every page of docs/. */
export function pages(): readonly string[] {
  return globSync(["*.md", "docs/**/*.md"], { cwd: repository })
    .filter((page) => page !== "CHANGELOG.md")
    .sort();
}

/** A page's text; the path is from the repository's root. */
export function textOf(page: string): string {
  return readFileSync(path.join(repository, page), "utf8");
}

/** The code blocks of a page of docs/ that are marked so: ```<language> <mark>. */
export function blocksOf(page: string, mark: string): readonly string[] {
  return allBlocksOf(`docs/${page}`)
    .filter((block) => block.mark === mark)
    .map(({ text }) => text);
}

/** Every block of code of a page, in its order. */
export function allBlocksOf(page: string): readonly Block[] {
  const lines = textOf(page).split("\n");
  const blocks: Block[] = [];
  for (let at = 0; at < lines.length; at += 1) {
    const fence = /^( *)```(\S*) ?(\S*)/.exec(lines[at] ?? "");
    if (fence !== null) {
      const [, indent = "", language = "", mark = ""] = fence;
      const end = lines.findIndex((line, index) => index > at && line.trimEnd() === `${indent}\`\`\``);
      if (end === -1) throw new Error(`${page}:${at + 1}: a fence that does not end`);
      const named = { ...(language !== "" && { language }), ...(mark !== "" && { mark }) };
      blocks.push({ page, line: at + 1, ...named, text: without(lines.slice(at + 1, end), indent.length) });
      at = end;
    } else if (lines[at - 1]?.trim() === "" && isIndented(lines[at])) {
      let end = at;
      while (isIndented(lines[end]) || (lines[end]?.trim() === "" && isIndented(lines[end + 1]))) end += 1;
      blocks.push({ page, line: at + 1, text: dedent(lines.slice(at, end)) });
      at = end - 1;
    }
  }
  return blocks;
}

function isIndented(line: string | undefined): boolean {
  return line !== undefined && /^ {4,}\S/.test(line);
}

function dedent(lines: readonly string[]): string {
  const indents = lines.filter((line) => line.trim() !== "").map((line) => /^ */.exec(line)?.[0].length ?? 0);
  return without(lines, Math.min(...indents));
}

function without(lines: readonly string[], indent: number): string {
  return `${lines.map((line) => line.slice(indent)).join("\n")}\n`;
}
