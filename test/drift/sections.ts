/**
 * A diff without the spaces by which the CLI aligns the colons of neighbouring properties; the local engine does not align
 * them.
 */
export function unaligned(out: string): string {
  return out.replaceAll(/^(\s*(?:[-+~] +)?\S.*?) +: (?=\S)/gm, "$1: ");
}

/**
 * The text of a diff by the names of its resources. A resource's lines begin with a header, its id and `[urn=…]`; the
 * same one may come twice, as it was found and as it is to be. The stack, under which the CLI shows the others, is none.
 */
export function sectionsOf(out: string): ReadonlyMap<string, string> {
  const lines = unaligned(out).split("\n");
  const urns = [...lines.entries()].filter(([, line]) => /^\s+\[urn=.*\]$/.test(line)).map(([i]) => i);
  const starts = urns.map((at) => (/^\s+\[id=/.test(lines[at - 1] ?? "") ? at - 2 : at - 1));
  const sections = new Map<string, string>();
  for (const [i, at] of urns.entries()) {
    if (lines[at]?.includes("::pulumi:pulumi:Stack::")) continue;
    const name = /::([^:]*)\]$/.exec(lines[at] ?? "")?.[1] ?? "";
    const text = lines.slice(starts[i], starts[i + 1]).join("\n");
    sections.set(name, `${sections.get(name) ?? ""}${text}\n`);
  }
  return sections;
}
