import { parseArgs } from "node:util";

import { EngineError, messageOf, refusal } from "./errors.ts";

const switches = {
  yes: { type: "boolean", short: "y" },
  "skip-preview": { type: "boolean", short: "f" },
  "preview-only": { type: "boolean" },
  refresh: { type: "boolean", short: "r" },
  diff: { type: "boolean" },
  // The CLI cuts long values without it; this engine shows them whole.
  "show-full-output": { type: "boolean" },
  json: { type: "boolean", short: "j" },
  "expect-no-changes": { type: "boolean" },
  "target-dependents": { type: "boolean" },
  "show-secrets": { type: "boolean" },
  secret: { type: "boolean" },
  force: { type: "boolean" },
  "non-interactive": { type: "boolean" },
} as const;
const texts = {
  cwd: { type: "string", short: "C" },
  stack: { type: "string", short: "s" },
  color: { type: "string" },
  parallel: { type: "string", short: "p" },
  file: { type: "string" },
  "secrets-provider": { type: "string" },
} as const;
const lists = { target: { type: "string", short: "t", multiple: true } } as const;

const COLORS = ["auto", "always", "never"] as const;

type Color = (typeof COLORS)[number];

/** A command line: words, and flags by name. */
export interface CommandLine {
  readonly words: readonly string[];
  readonly folder: string;
  readonly stack: string | undefined;
  readonly color: Color;
  /** How many operations at a time; undefined leaves it to the engine. */
  readonly parallel: number | undefined;
  /** URNs to destroy; empty for all. */
  readonly targets: readonly string[];
  readonly flag: (name: keyof typeof switches) => boolean;
  readonly text: (name: keyof typeof texts) => string | undefined;
}

const COMMON: readonly string[] = ["cwd", "stack", "color", "non-interactive"];
const PLAN: readonly string[] = ["diff", "json", "parallel"];
const RUN: readonly string[] = [...PLAN, "yes", "skip-preview"];
/** The flags that each command takes, all of them the CLI's; it has others, which are refused by name. */
const FLAGS: Readonly<Record<string, readonly string[]>> = {
  preview: [...PLAN, "show-full-output", "expect-no-changes", "refresh"],
  up: [...RUN, "show-full-output", "expect-no-changes", "refresh"],
  refresh: [...RUN, "expect-no-changes", "preview-only"],
  destroy: [...RUN, "show-full-output", "preview-only", "refresh", "target", "target-dependents"],
  cancel: ["yes"],
  "config set": ["secret"],
  "config get": [],
  "stack init": ["secrets-provider"],
  "stack export": ["file", "show-secrets"],
  "stack import": ["file", "force"],
  "stack ls": [],
  help: [],
};
/** How many words may follow the command; none if nothing is said. */
const WORDS: Readonly<Record<string, number>> = { "stack init": 1, cancel: 1, "config set": 2, "config get": 1 };
const GROUPS: readonly string[] = ["stack", "config"];

/** Reads the command line; a command or flag that the engine does not know is an error that says which it knows. */
export function parseCommandLine(args: readonly string[]): { readonly command: string; readonly line: CommandLine } {
  let parsed: { values: Readonly<Record<string, unknown>>; positionals: string[] };
  try {
    parsed = parseArgs({
      args: [...args],
      options: { ...switches, ...texts, ...lists },
      allowPositionals: true,
      strict: true,
    });
  } catch (error) {
    const unknown = /'(-[^']*)'/.exec(messageOf(error))?.[1];
    if ((error as NodeJS.ErrnoException).code === "ERR_PARSE_ARGS_UNKNOWN_OPTION" && unknown)
      throw refusal(`the flag ${unknown}`);
    throw new EngineError("usage", messageOf(error), { cause: error });
  }
  const [first = "help", second, ...rest] = parsed.positionals;
  const grouped = GROUPS.includes(first) && second !== undefined;
  const command = grouped ? `${first} ${second}` : first;
  const allowed = FLAGS[command];
  if (!allowed) {
    const known = Object.keys(FLAGS).join(", ");
    throw new EngineError(
      "refused",
      `the local engine has no command "${command}"; it knows: ${known}. For the rest use the Pulumi CLI`,
    );
  }
  const wrong = Object.keys(parsed.values).find((name) => !COMMON.includes(name) && !allowed.includes(name));
  if (wrong) throw refusal(`the flag --${wrong} of ${command}`);
  const words = grouped ? rest : second === undefined ? [] : [second, ...rest];
  const most = WORDS[command] ?? 0;
  if (words.length > most)
    throw new EngineError("usage", `${command} takes ${most} words, and here are ${words.length}: ${words.join(" ")}`);
  return { command, line: lineOf(words, parsed.values) };
}

function lineOf(words: readonly string[], values: Readonly<Record<string, unknown>>): CommandLine {
  const text = (name: keyof typeof texts) => values[name] as string | undefined;
  const parallel = text("parallel");
  if (parallel !== undefined && !/^\d+$/.test(parallel))
    throw new EngineError("usage", `--parallel is "${parallel}"; give a whole number`);
  const color = COLORS.find((known) => known === (text("color") ?? "auto"));
  if (color === undefined)
    throw new EngineError("usage", `--color is "${text("color") ?? ""}"; give one of ${COLORS.join(", ")}`);
  return {
    words,
    folder: text("cwd") ?? ".",
    stack: text("stack"),
    color,
    // The CLI takes 0 as 1, and as no limit only what is below.
    parallel: parallel === undefined ? undefined : Math.max(1, Number(parallel)),
    targets: (values["target"] as readonly string[] | undefined) ?? [],
    flag: (name) => values[name] === true,
    text,
  };
}

/** Whether what people see is in colour: on a terminal, unless they have said otherwise (no-color.org). */
export function inColor(color: Color, isTerminal: boolean, env: NodeJS.ProcessEnv): boolean {
  return color === "always" || (color === "auto" && isTerminal && !env["NO_COLOR"]);
}

/** What the engine can be told to do. */
export const USAGE = [
  "The local engine runs this project's Pulumi program without the Pulumi CLI and takes the CLI's words:",
  ...Object.entries(FLAGS).map(([command, flags]) => `  ${command}${flags.map((flag) => ` [--${flag}]`).join("")}`),
  "and for all of them [--stack NAME] [--cwd FOLDER] [--color auto|always|never]",
].join("\n");
