/** A comment as a page that looks like one of a pull request: of Markdown, what comments are made of and no more. */
export function commentPage(markdown: string): string {
  const blocks = markdown
    .replace(/^<!--.*?-->\n/, "")
    .split(/\n{2,}/)
    .map((block) => block.trim());
  return `<!doctype html><meta charset="utf-8"><style>
    body { margin: 0; padding: 16px; background: #fff; font: 14px/1.5 "Liberation Sans", Arial, sans-serif; color: #1f2328 }
    article { border: 1px solid #d1d9e0; border-radius: 6px }
    header { background: #f6f8fa; border-bottom: 1px solid #d1d9e0; border-radius: 6px 6px 0 0; padding: 8px 16px; color: #59636e }
    header b { color: #1f2328 }
    main { padding: 16px }
    h2 { font-size: 21px; border-bottom: 1px solid #d1d9e0b3; padding-bottom: 6px; margin: 0 0 16px }
    h3 { font-size: 17px; margin: 24px 0 12px }
    ul { padding-left: 28px; margin: 0 } li { margin: 4px 0 }
    code { background: #818b981f; border-radius: 6px; padding: 2px 5px; font: 12px "DejaVu Sans Mono", monospace }
  </style><article><header><b>github-actions</b> commented</header><main>${blocks.map(htmlOf).join("\n")}</main></article>`;
}

function htmlOf(block: string): string {
  const [, marks, title = ""] = /^(#{2,3}) (.*)$/.exec(block) ?? [];
  if (marks !== undefined) return `<h${marks.length}>${inline(title)}</h${marks.length}>`;
  if (!block.startsWith("- ")) return `<p>${inline(block)}</p>`;
  const items = block.split("\n").map((line) => `<li>${inline(line.replace(/^- /, ""))}</li>`);
  return `<ul>${items.join("")}</ul>`;
}

function inline(text: string): string {
  return text
    .replaceAll("=>", "=&gt;")
    .replaceAll(/`([^`]+)`/g, "<code>$1</code>")
    .replaceAll(/\*\*([^*]+)\*\*/g, "<b>$1</b>");
}
