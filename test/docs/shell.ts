/** A command of a shell block: its words, without what comes after a pipe or an operator. */
export type Command = readonly [program: string, ...words: string[]];

/**
 * The commands of a few lines of shell, in their order, those in `$(…)` too: as much of the grammar as pages use. What stands for
 * something of the reader's (`<name>`) is one word. Throws when a quote is left open.
 */
export function commandsOf(text: string): readonly Command[] {
  const inner: string[] = [];
  const plain = text
    .replaceAll(/\\\n/g, " ")
    .replaceAll(/<[^<>\n]*>/g, "PLACEHOLDER")
    .replaceAll(/\$\(([^()]*)\)/g, (_, command: string) => {
      inner.push(command);
      return "SUBSTITUTED";
    });
  const outer = plain.split("\n").flatMap((line) => split(line));
  return [...inner.flatMap((command) => commandsOf(command)), ...outer];
}

function split(line: string): readonly Command[] {
  const commands: string[][] = [[]];
  const token = /\s+|#.*|(?:&&|\|\||[|;])|[<>]+|(?:'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s'"\\|;<>&])+|(.)/gy;
  for (const [part, unknown] of line.matchAll(token)) {
    if (unknown !== undefined) throw new Error(`no word of a shell: ${unknown} in ${line}`);
    if (/^(?:\s|#)/.test(part)) continue;
    if (/^(?:&&|\|\||[|;])$/.test(part)) commands.push([]);
    else commands.at(-1)?.push(part.replaceAll(/'([^']*)'|"((?:\\.|[^"\\])*)"/g, "$1$2"));
  }
  return commands
    .map((words) => words.filter((word, index) => index > 0 || !/^\w+=/.test(word)))
    .filter((words): words is [string, ...string[]] => words.length > 0);
}
