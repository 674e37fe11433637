/** A text on one line, without what would move a cursor or turn the direction of writing. */
export function onOneLine(text: string): string {
  return text
    .replace(/\s+/g, " ")
    .replace(/[\p{Cc}\p{Cf}]/gu, "�")
    .trim();
}

/** Cuts a long text, never in the middle of a character, and says so. */
export function shorten(text: string, limit: number): string {
  if (text.length <= limit) return text;
  const kept = text.slice(0, limit - 1);
  return `${kept.isWellFormed() ? kept : kept.slice(0, -1)}…`;
}

/** Cuts a long `before => after` to where the two differ, and shortens what is still too long. */
export function contrast(text: string, limit: number): string {
  const sides = text.split(" => ");
  const [before, after] = sides.map((side) => side.split(" "));
  if (text.length <= limit || !before || !after || sides.length > 2) return shorten(text, limit);
  const shorter = Math.min(before.length, after.length);
  const same = (at: (i: number) => boolean, most: number) => {
    const end = Array.from({ length: most }, (_, i) => i).findIndex((i) => !at(i));
    return end < 0 ? most : end;
  };
  const start = same((i) => before[i] === after[i], shorter);
  const end = same((i) => before.at(-1 - i) === after.at(-1 - i), shorter - start);
  const cut = (words: readonly string[]) => {
    const own = words.slice(start, words.length - end).join(" ");
    return own === "" ? "…" : `${start > 0 ? "… " : ""}${own}${end > 0 ? " …" : ""}`;
  };
  return shorten(`${cut(before)} => ${cut(after)}`, limit);
}

/** `1 merchant`, `1,500 merchants`. */
export function counted(n: number, what: string): string {
  return `${n.toLocaleString("en-US")} ${what}${n === 1 ? "" : "s"}`;
}

/** Rows under their heads, each column as wide as its widest value. */
export function textTable(head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join("  ")
      .trimEnd();
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)];
}
