import { describeField, FIELDS, readField, skipBlanks, type FieldGrammar, type FieldName } from "./schedule-fields.ts";

/** A version of the pg_cron extension, as `pg_extension.extversion` has it. */
export type PgCronVersion = "1.4" | "1.5" | "1.6";

/**
 * A schedule of five fields, or one of the `@` words, as sets of what fits.
 * A day fits when both its fields fit if `domStar` or `dowStar` is set, else when one of them does
 * (ShouldRunTask in pg_cron's src/pg_cron.c). Days of the week are 0 (Sunday) to 6. Times are in `cron.timezone`.
 */
export interface CronSchedule {
  readonly kind: "cron";
  readonly text: string;
  /** The oldest pg_cron that has it. */
  readonly requires: PgCronVersion;
  /** The five fields as they were written; those that an `@` word stands for. */
  readonly fields: readonly string[];
  readonly minutes: readonly number[];
  readonly hours: readonly number[];
  readonly daysOfMonth: readonly number[];
  readonly months: readonly number[];
  readonly daysOfWeek: readonly number[];
  /** The day of month begins with `*`; a step over `*` counts too. */
  readonly domStar: boolean;
  /** The day of week begins with `*`; a step over `*` counts too. */
  readonly dowStar: boolean;
  /** The day of month is `$`; `daysOfMonth` is empty then. */
  readonly lastDayOfMonth: boolean;
}

/** A run every `every` seconds (1 to 59) after the start of the one before. */
export interface SecondsSchedule {
  readonly kind: "seconds";
  readonly text: string;
  readonly requires: "1.5";
  readonly every: number;
}

export type Schedule = CronSchedule | SecondsSchedule;

/**
 * Why a schedule is refused.
 * `syntax`: pg_cron refuses it. `version_dependent`: its versions disagree on it, which goes for ranges that run
 * backwards, steps larger than the field, `@yearly` and `@annually`. `no_due_time`: `@reboot`, `@restart`.
 * `never_due`: pg_cron accepts it, and no day of any year fits.
 */
export interface ScheduleProblem {
  readonly kind: "problem";
  readonly text: string;
  readonly code: "syntax" | "version_dependent" | "no_due_time" | "never_due";
  readonly field?: FieldName;
  readonly reason: string;
  readonly fix: string;
}

/** entry.c takes texts of fewer bytes than its MAX_FILE_BUFFER_LENGTH. */
const MAX_BYTES = 999;

/** The words of entry.c, lower case only, with the five fields that are due at the same times. */
const WORDS: ReadonlyMap<string, string> = new Map([
  ["monthly", "0 0 1 * *"],
  ["weekly", "0 0 * * 0"],
  ["daily", "0 0 * * *"],
  ["midnight", "0 0 * * *"],
  ["hourly", "0 * * * *"],
]);

/** Blank lines and lines that begin with `#` may stand before a schedule: skip_comments in pg_cron's src/misc.c. */
const BEFORE = /^(?:[ \t]*(?:#[^\n]*)?\n)*[ \t]*/;

/** `sscanf(" %u secon%c%c %c")` of TryParseInterval in pg_cron's src/job_metadata.c: blanks may follow `seconds` only. */
const SECONDS = /^[ \t\n\v\f\r]*([+-]?[0-9]+)[ \t\n\v\f\r]*second(?:s[ \t\n\v\f\r]*)?$/i;

/** What people write who know intervals from elsewhere; none of it is a schedule. */
const LIKE_AN_INTERVAL = /^\s*[+-]?[0-9]+\s*(?:sec|min|hour|day|week)/i;

const FIVE_FIELDS = 'write five fields, for example "30 2 * * *" for 02:30 every day';

/**
 * Reads a schedule as pg_cron does (parse_cron_entry in src/entry.c, then TryParseInterval in src/job_metadata.c); never
 * throws. It accepts what every pg_cron from `requires` on accepts and understands alike, whatever else pg_cron passes over
 * (text after the fifth field), and of that refuses only what has no due time.
 */
export function parseSchedule(text: string): Schedule | ScheduleProblem {
  const refuse = refusal(text);
  if (text.includes("\0")) return refuse("syntax", "it holds a NUL character", FIVE_FIELDS);

  const every = readSeconds(text);
  if (every !== undefined) {
    if (every >= 1 && every <= 59) return { kind: "seconds", text, requires: "1.5", every };
    return refuse("syntax", "an interval has 1 to 59 seconds", 'for a minute or more use five fields: "*/5 * * * *"');
  }
  if (LIKE_AN_INTERVAL.test(text)) {
    return refuse("syntax", 'the only interval is "1 seconds" to "59 seconds" with nothing after it', FIVE_FIELDS);
  }
  if (Buffer.byteLength(text) > MAX_BYTES) {
    return refuse("syntax", `it is longer than ${MAX_BYTES} bytes`, FIVE_FIELDS);
  }

  const start = BEFORE.exec(text)?.[0].length ?? 0;
  if (start === text.length || text[start] === "#") return refuse("syntax", "it is empty", FIVE_FIELDS);
  if (text[start] !== "@") return readFields(text, start, text);

  const word = /^[^ \t\n]*/.exec(text.slice(start + 1))?.[0] ?? "";
  if (word === "reboot" || word === "restart") {
    return refuse("no_due_time", `@${word} runs when the server starts and has no due time`, FIVE_FIELDS);
  }
  if (word === "yearly" || word === "annually") {
    // Since 1.6.0 entry.c sets FIRST_MINUTE, which is no month, where FIRST_MONTH was meant: the set of months stays empty.
    return refuse("version_dependent", `@${word} never comes due from pg_cron 1.6 on`, 'write "0 0 1 1 *"');
  }
  const fields = WORDS.get(word);
  if (fields === undefined) {
    return refuse(
      "syntax",
      "no such @ word",
      `use ${[...WORDS.keys()].map((known) => `@${known}`).join(", ")}, in lower case`,
    );
  }
  return readFields(fields, 0, text);
}

function readFields(source: string, start: number, text: string): CronSchedule | ScheduleProblem {
  const refuse = refusal(text);
  let at = start;
  const failures: ScheduleProblem[] = [];
  const read = (grammar: FieldGrammar): { readonly values: readonly number[]; readonly star: boolean } => {
    if (failures.length > 0) return { values: [], star: false };
    const field = readField(source, at, grammar);
    if ("code" in field) {
      failures.push(refuse(field.code, field.reason, describeField(grammar), grammar.name));
      return { values: [], star: false };
    }
    at = field.next;
    return field;
  };

  const minutes = read(FIELDS.minute);
  const hours = read(FIELDS.hour);
  // `$` stands alone: entry.c wants a blank right after it.
  const lastDayOfMonth = failures.length === 0 && /^\$[ \t]/.test(source.slice(at));
  if (lastDayOfMonth) at = skipBlanks(source, at + 1);
  const daysOfMonth = lastDayOfMonth ? { values: [], star: false } : read(FIELDS.dayOfMonth);
  const months = read(FIELDS.month);
  const daysOfWeek = read(FIELDS.dayOfWeek);
  if (failures[0] !== undefined) return failures[0];

  const schedule: CronSchedule = {
    kind: "cron",
    text,
    requires: lastDayOfMonth ? "1.6" : "1.4",
    fields: source.slice(start).split(/[ \t\n]+/, 5),
    minutes: minutes.values,
    hours: hours.values,
    daysOfMonth: daysOfMonth.values,
    months: months.values,
    daysOfWeek: [...new Set(daysOfWeek.values.map((day) => day % 7))].sort((one, other) => one - other),
    domStar: daysOfMonth.star,
    dowStar: daysOfWeek.star,
    lastDayOfMonth,
  };
  if (isEverDue(schedule)) return schedule;
  return refuse("never_due", "none of its months has such a day", "choose a day that a month has", "day of month");
}

/** Every weekday falls on each date of the calendar in some year, so that only the date can make a schedule empty. */
function isEverDue({ domStar, dowStar, lastDayOfMonth, daysOfMonth, months }: CronSchedule): boolean {
  if (lastDayOfMonth || !(domStar || dowStar)) return true;
  const longest = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
  return months.some((month) => daysOfMonth.some((day) => day <= (longest[month - 1] ?? 0)));
}

/** Says whether a schedule restricts no day by any of its fields. */
export function isEveryDay({ daysOfMonth, months, daysOfWeek }: CronSchedule): boolean {
  return daysOfMonth.length === 31 && months.length === 12 && daysOfWeek.length === 7;
}

/** The number that `%u` reads: strtoul, which takes a sign and negates within 64 bits, cut to 32 bits. */
function readSeconds(text: string): number | undefined {
  const written = SECONDS.exec(text)?.[1];
  if (written === undefined) return undefined;
  const largest = 2n ** 64n - 1n;
  const size = BigInt(written.replace(/^[+-]/, ""));
  const value = size > largest ? largest : written.startsWith("-") ? -size : size;
  return Number(BigInt.asUintN(32, value));
}

function refusal(text: string) {
  return (code: ScheduleProblem["code"], reason: string, fix: string, field?: FieldName): ScheduleProblem => ({
    kind: "problem",
    text,
    code,
    ...(field !== undefined && { field }),
    reason,
    fix,
  });
}
