/** A line of a terminal, and how many seconds after the start it came. */
export interface Line {
  readonly text: string;
  readonly at: number;
}

/** What the reader of a picture waits at most for one line, in seconds: a minute of a recording is no minute of theirs. */
const LONGEST_WAIT = 1.2;

const CHARACTER = 7.8;
const LEADING = 18;
const MARGIN = 16;
const BAR = 28;

/**
 * A recording of a terminal as an SVG that moves by itself, without script: each line comes when it came, but for long waits.
 * Where animations are off, all of it is there at once.
 */
export function terminalSvg(title: string, lines: readonly Line[]): string {
  const width = Math.max(...lines.map(({ text }) => text.length)) * CHARACTER + 2 * MARGIN;
  const height = lines.length * LEADING + 2 * MARGIN + BAR;
  const delays = delaysOf(lines);
  const texts = lines.map(({ text }, index) => {
    const y = BAR + MARGIN + (index + 0.75) * LEADING;
    const kind = text.startsWith("$ ") ? ' class="c"' : /^\[\d\/\d\]/.test(text) ? ' class="s"' : "";
    return `<text x="${MARGIN}" y="${y}"${kind} style="animation-delay:${delays[index]?.toFixed(1) ?? "0"}s">${escape(text)}</text>`;
  });
  const dots = ["#ff5f57", "#febc2e", "#28c840"].map(
    (color, index) => `<circle cx="${MARGIN + index * 18}" cy="${BAR / 2}" r="5" fill="${color}"/>`,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${Math.ceil(width)} ${height}" role="img" aria-label="${escape(title)}">`,
    "<style>",
    "text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#d4d4d4;white-space:pre;animation:come 1ms backwards}",
    ".c{fill:#fff;font-weight:bold}.s{fill:#7dc4ff;font-weight:bold}",
    "@keyframes come{from{opacity:0}}",
    "@media (prefers-reduced-motion:reduce){text{animation:none}}",
    "</style>",
    `<rect width="100%" height="100%" rx="8" fill="#1e1e1e"/>`,
    ...dots,
    ...texts,
    "</svg>",
    "",
  ].join("\n");
}

function delaysOf(lines: readonly Line[]): readonly number[] {
  let sum = 0.5;
  return lines.map(({ at }, index) => {
    sum += Math.min(LONGEST_WAIT, at - (lines[index - 1]?.at ?? at));
    return sum;
  });
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
