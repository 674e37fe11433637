import { counted, onOneLine } from "./text.ts";

/** Characters. GitHub takes 65,536 in a comment or an issue; the rest is room for whoever adds a line. */
const LIMIT = 60_000;

/**
 * A value as code, so that nothing in it is Markdown: no link, no mention, no HTML, no end of a table's cell. In a code
 * span a backtick ends the span, and in a table's cell a pipe or a backslash before one ends the cell: where such
 * characters are, the value is written as HTML, all of them by number.
 */
export function code(value: string): string {
  const text = onOneLine(value);
  if (text !== "" && !/[`|\\]/.test(text)) return `\`${text}\``;
  const encoded = text.replace(/[^A-Za-z0-9 ,;()=+-]/gu, (character) => `&#${character.codePointAt(0) ?? 0};`);
  return text === "" ? "an empty text" : `<code>${encoded}</code>`;
}

/** A part of a document that can be cut: a head that always stays, and lines of which the last ones may go. */
export interface Section {
  readonly head: readonly string[];
  readonly lines: readonly string[];
  /** Of a long list all but its beginning is folded away. A table cannot be. */
  readonly fold?: boolean;
  /** What one line is, in the singular: the count of what is left out is told with it. */
  readonly what: string;
}

/**
 * Puts sections together, at most `limit` characters. Each may take half of the room that those before it have left; of
 * what does not fit whole lines are left out, and their number is said at the end of their section.
 */
export function fit(sections: readonly Section[], limit: number = LIMIT): string {
  const shown = sections.filter(({ head, lines }) => head.length + lines.length > 0);
  const fixed = shown.map((section) => sizeOf(linesOf(section, [], section.lines.length)));
  let room = limit - fixed.reduce((sum, size) => sum + size + 1, 0);
  const text = shown.map((section) => {
    const { lines } = section;
    let share = sizeOf(lines) <= room / 2 ? room : room / 2;
    const end = lines.findIndex((line) => (share -= sizeOf([line])) < 0);
    const kept = end < 0 ? lines : lines.slice(0, end);
    room -= sizeOf(kept);
    return linesOf(section, kept, lines.length - kept.length).join("\n");
  });
  return `${text.join("\n\n")}\n`;
}

/** A list of more lines than this shows its first ones. */
const LONG = 15;
const SHOWN = 10;

function linesOf({ head, lines, fold, what }: Section, kept: readonly string[], rest: number): readonly string[] {
  const cut = rest > 0 ? ["", leftOut(rest, what)] : [];
  if (fold !== true || lines.length <= LONG) return [...head, ...kept, ...cut];
  const open = `<details><summary>${counted(lines.length - SHOWN, `more ${what}`)}</summary>`;
  return [...head, ...kept.slice(0, SHOWN), "", open, "", ...kept.slice(SHOWN), ...cut, "", "</details>"];
}

function leftOut(count: number, what: string): string {
  return `_… and ${counted(count, `more ${what}`)}, left out here to keep this short._`;
}

function sizeOf(lines: readonly string[]): number {
  return lines.reduce((sum, line) => sum + line.length + 1, 0);
}

/** The head of a table. */
export function tableHead(...titles: readonly string[]): readonly string[] {
  return [tableRow(...titles), tableRow(...titles.map(() => "---"))];
}

/** A row of a table; its cells are Markdown already. */
export function tableRow(...cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

/** The first line of a comment or an issue by which it is found again: invisible to its readers. */
export function marker(about: "preview" | "drift", stack: string): string {
  // Two dashes would end the comment. A stack's name has letters, digits, dashes, underscores, dots and slashes.
  return `<!-- merchant-jobs ${about} of ${stack.replace(/[^\w./-]/g, "_").replaceAll("--", "-_")} -->`;
}
