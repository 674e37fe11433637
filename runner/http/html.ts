/** HTML that may stand in a page as it is. */
export class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

const NEEDS_ESCAPE = /[&<>"']/;

type Part = Html | string | number | undefined | false | readonly Part[];

/** A template of HTML: everything that is put into it is escaped, except what is HTML already. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return new Html(strings.reduce((text, string, i) => text + string + (i < parts.length ? write(parts[i]) : ""), ""));
}

function write(part: Part): string {
  if (part === undefined || part === false) return "";
  if (part instanceof Html) return part.text;
  if (typeof part === "object") return part.map(write).join("");
  const text = String(part);
  // Most need nothing, and a page of a thousand merchants has many.
  return NEEDS_ESCAPE.test(text) ? text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`) : text;
}
