/** One of the five fields of a cron schedule, in the order in which they stand. */
export type FieldName = "minute" | "hour" | "day of month" | "month" | "day of week";

/** What a field may hold: numbers from `low` to `high`, and names where `names[i]` means `low + i`. */
export interface FieldGrammar {
  readonly name: FieldName;
  readonly low: number;
  readonly high: number;
  readonly names: readonly string[];
}

const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/** The fields of pg_cron's src/entry.c; names count in month and day of week only, in any case. 0 and 7 are Sunday. */
export const FIELDS = {
  minute: { name: "minute", low: 0, high: 59, names: [] },
  hour: { name: "hour", low: 0, high: 23, names: [] },
  dayOfMonth: { name: "day of month", low: 1, high: 31, names: [] },
  month: { name: "month", low: 1, high: 12, names: MONTHS },
  dayOfWeek: { name: "day of week", low: 0, high: 7, names: DAYS },
} as const satisfies Record<string, FieldGrammar>;

/** A field that was read: its values in ascending order, whether it begins with `*`, and where the next one starts. */
export interface FieldRead {
  readonly values: readonly number[];
  readonly star: boolean;
  readonly next: number;
}

/** Why a field is refused. `version_dependent`: pg_cron's versions take it differently, so it means nothing definite. */
export interface FieldProblem {
  readonly code: "syntax" | "version_dependent";
  readonly reason: string;
}

interface Range {
  readonly from: number;
  readonly to: number;
  readonly step: number;
  readonly next: number;
}

/**
 * Reads the list that starts at `at` as get_list, get_range and get_number of pg_cron's src/entry.c do.
 * As there, what follows a complete item up to the next blank is passed over: `*5` is `*`, and `1-5-9` is `1-5`.
 */
export function readField(text: string, at: number, grammar: FieldGrammar): FieldRead | FieldProblem {
  const found = new Set<number>();
  const star = text[at] === "*";
  let position = at;
  for (;;) {
    const range = readRange(text, position, grammar);
    if ("code" in range) return range;
    for (let value = range.from; value <= range.to; value += range.step) found.add(value);
    if (text[range.next] !== ",") {
      position = range.next;
      break;
    }
    position = range.next + 1;
  }
  const values = [...found].sort((one, other) => one - other);
  return { values, star, next: skipBlanks(text, skipNonBlanks(text, position)) };
}

/** The position of the first character from `at` on that is neither a space nor a tab. */
export function skipBlanks(text: string, at: number): number {
  let position = at;
  while (text[position] === " " || text[position] === "\t") position += 1;
  return position;
}

/** Says in a few words what a field takes. */
export function describeField({ name, low, high, names }: FieldGrammar): string {
  const first = names[0];
  const last = names.at(-1);
  const named = first !== undefined && last !== undefined ? ` or ${first} to ${last}` : "";
  return (
    `write the ${name} as a number from ${low} to ${high}${named}, a range (${low + 1}-${low + 4}), ` +
    `a step over * or a range (*/2) or a list of those (${low + 1},${low + 3})`
  );
}

function readRange(text: string, at: number, grammar: FieldGrammar): Range | FieldProblem {
  if (text[at] === "*") return readStep(text, at + 1, grammar.low, grammar.high, grammar);

  const from = readNumber(text, at, grammar);
  if ("code" in from) return from;
  if (text[from.next] !== "-") {
    // entry.c refuses a step without a range, and so 5/10 too, which other crons know.
    if (text[from.next] === "/") return syntax("a step needs * or a range before it, as in */5 or 10-50/5");
    return inBounds(from.value, grammar) ?? { from: from.value, to: from.value, step: 1, next: from.next };
  }

  const to = readNumber(text, from.next + 1, grammar);
  if ("code" in to) return to;
  const outside = inBounds(from.value, grammar) ?? inBounds(to.value, grammar);
  if (outside !== undefined) return outside;
  if (from.value > to.value) return backwards(from.value, to.value, grammar);
  return readStep(text, to.next, from.value, to.value, grammar);
}

function readStep(text: string, at: number, from: number, to: number, grammar: FieldGrammar): Range | FieldProblem {
  if (text[at] !== "/") return { from, to, step: 1, next: at };
  const step = readNumber(text, at + 1, { ...grammar, names: [] });
  if ("code" in step) return step;
  if (step.value <= 0) return syntax("a step must be at least 1");
  if (step.value > grammar.high) {
    // Versions before 1.6.5 take it as "the first value only"; from 1.6.5 on it is an invalid schedule.
    return { code: "version_dependent", reason: `the step ${step.value} is larger than ${grammar.high}` };
  }
  return { from, to, step: step.value, next: step.next };
}

function readNumber(
  text: string,
  at: number,
  { low, names }: FieldGrammar,
): { readonly value: number; readonly next: number } | FieldProblem {
  let next = at;
  while (/^[0-9A-Za-z]$/.test(text[next] ?? "")) next += 1;
  const word = text.slice(at, next);
  if (word === "")
    return syntax(
      next === text.length ? "it is missing: a schedule has five fields" : `${quote(text[next])} is not a number`,
    );

  // The first name that fits counts, so that sun is 0 and not 7. Names are compared by strcasecmp.
  const index = names.indexOf(word.toLowerCase());
  if (index >= 0) return { value: index + low, next };
  if (!/^[0-9]+$/.test(word)) return syntax(`${quote(word)} is not a number`);
  return { value: atoi(word), next };
}

/** C's atoi on 64-bit Linux, as entry.c uses it: strtol, which stops at the largest long, cut to 32 bits. */
function atoi(digits: string): number {
  const largest = 2n ** 63n - 1n;
  const value = BigInt(digits);
  return Number(BigInt.asIntN(32, value > largest ? largest : value));
}

function inBounds(value: number, { low, high }: FieldGrammar): FieldProblem | undefined {
  return value >= low && value <= high ? undefined : syntax(`${value} is not between ${low} and ${high}`);
}

/** Up to 1.5 such a range holds nothing; from 1.6 on, by an accident of its bit arithmetic, parts of what was meant. */
function backwards(from: number, to: number, { low, high }: FieldGrammar): FieldProblem {
  const forwards = [from === high ? `${high}` : `${from}-${high}`, to === low ? `${low}` : `${low}-${to}`].join(",");
  return {
    code: "version_dependent",
    reason: `the range ${from}-${to} runs backwards (${forwards} is a list that works)`,
  };
}

function skipNonBlanks(text: string, at: number): number {
  let position = at;
  while (position < text.length && !/^[ \t\n]$/.test(text[position] ?? "")) position += 1;
  return position;
}

function syntax(reason: string): FieldProblem {
  return { code: "syntax", reason };
}

function quote(text = ""): string {
  return JSON.stringify(text.length > 20 ? `${text.slice(0, 20)}…` : text);
}
