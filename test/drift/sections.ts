/** The text of a preview with --diff by the names of its resources: what follows `[urn=…]`, up to the next resource. */
export function sectionsOf(out: string): ReadonlyMap<string, string> {
  const sections = new Map<string, string>();
  let name: string | undefined;
  for (const line of out.split("\n")) {
    const urn = /^\s+\[urn=(.*)\]$/.exec(line)?.[1];
    if (urn !== undefined) name = urn.split("::").at(-1);
    if (name !== undefined) sections.set(name, `${sections.get(name) ?? ""}${line}\n`);
  }
  return sections;
}
