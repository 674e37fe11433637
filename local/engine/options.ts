import { parseArgs } from "node:util";

import { EngineError, messageOf, refusal } from "./errors.ts";

/** The flags of a run, as the CLI spells them. */
interface RunOptions {
  readonly yes: boolean;
  readonly skipPreview: boolean;
  readonly previewOnly: boolean;
  readonly refresh: boolean;
  readonly runProgram: boolean;
  readonly diff: boolean;
  readonly json: boolean;
  readonly expectNoChanges: boolean;
  readonly suppressOutputs: boolean;
  readonly parallel: number | undefined;
  readonly targets: readonly string[];
  readonly targetDependents: boolean;
}

/** A command line: words, and flags by name. */
export interface CommandLine {
  readonly words: readonly string[];
  readonly folder: string;
  readonly stack: string | undefined;
  readonly color: string | undefined;
  readonly flag: (name: string) => boolean;
  readonly text: (name: string) => string | undefined;
  readonly run: RunOptions;
}

const switches = {
  yes: { type: "boolean", short: "y" },
  "skip-preview": { type: "boolean", short: "f" },
  "preview-only": { type: "boolean" },
  refresh: { type: "boolean", short: "r" },
  "run-program": { type: "boolean" },
  diff: { type: "boolean" },
  json: { type: "boolean", short: "j" },
  "expect-no-changes": { type: "boolean" },
  "suppress-outputs": { type: "boolean" },
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
  message: { type: "string", short: "m" },
  file: { type: "string" },
  "secrets-provider": { type: "string" },
} as const;
const lists = { target: { type: "string", short: "t", multiple: true } } as const;

const COMMON: readonly string[] = ["cwd", "stack", "color", "non-interactive"];
const RUN: readonly string[] = [
  ...[
    "yes",
    "skip-preview",
    "preview-only",
    "diff",
    "json",
    "expect-no-changes",
    "suppress-outputs",
    "parallel",
    "message",
  ],
];
/** The flags that each command takes; the CLI has others, which are refused by name. */
const FLAGS: Readonly<Record<string, readonly string[]>> = {
  preview: ["diff", "json", "expect-no-changes", "suppress-outputs", "parallel", "message", "refresh"],
  up: [...RUN, "refresh"],
  refresh: [...RUN, "run-program"],
  destroy: [...RUN, "refresh", "target", "target-dependents"],
  cancel: ["yes"],
  "config set": ["secret"],
  "config get": [],
  "stack init": ["secrets-provider"],
  "stack export": ["file", "show-secrets"],
  "stack import": ["file", "force"],
  "stack output": ["json", "show-secrets"],
  "stack select": [],
  "stack ls": [],
  "stack rm": ["yes"],
  version: [],
  help: [],
};
const GROUPS: readonly string[] = ["stack", "config"];
const ALIASES: Readonly<Record<string, string>> = { pre: "preview", update: "up", dn: "destroy", down: "destroy" };

/** Reads the command line; a command or flag that the engine does not know is an error that says which it knows. */
export function parseCommandLine(args: readonly string[]): { readonly command: string; readonly line: CommandLine } {
  // Go's flags take `--yes=true`; those of node do not.
  const plain = args.flatMap((arg) => {
    const [, name, value] = /^--([a-z-]+)=(true|false)$/.exec(arg) ?? [];
    if (name === undefined || !(name in switches)) return [arg];
    return value === "true" ? [`--${name}`] : [];
  });
  let parsed: { values: Readonly<Record<string, unknown>>; positionals: string[] };
  try {
    parsed = parseArgs({
      args: plain,
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
  const command = grouped ? `${first} ${second}` : (ALIASES[first] ?? first);
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
  return { command, line: lineOf(words, parsed.values) };
}

function lineOf(words: readonly string[], values: Readonly<Record<string, unknown>>): CommandLine {
  const flag = (name: string) => values[name] === true;
  const text = (name: string) => values[name] as string | undefined;
  const parallel = text("parallel");
  if (parallel !== undefined && !/^\d+$/.test(parallel))
    throw new EngineError("usage", `--parallel is "${parallel}"; give a whole number`);
  return {
    words,
    folder: text("cwd") ?? ".",
    stack: text("stack"),
    color: text("color"),
    flag,
    text,
    run: {
      yes: flag("yes"),
      skipPreview: flag("skip-preview"),
      previewOnly: flag("preview-only"),
      refresh: flag("refresh"),
      runProgram: flag("run-program"),
      diff: flag("diff"),
      json: flag("json"),
      expectNoChanges: flag("expect-no-changes"),
      suppressOutputs: flag("suppress-outputs"),
      // The CLI takes 0 as 1, and as no limit only what is below.
      parallel: parallel === undefined ? undefined : Math.max(1, Number(parallel)),
      targets: (values["target"] as readonly string[] | undefined) ?? [],
      targetDependents: flag("target-dependents"),
    },
  };
}

/** What the engine can be told to do. */
export const USAGE = [
  "The local engine runs this project's Pulumi program without the Pulumi CLI and takes the CLI's words:",
  ...Object.entries(FLAGS).map(([command, flags]) => `  ${command}${flags.map((flag) => ` [--${flag}]`).join("")}`),
  "and for all of them [--stack NAME] [--cwd FOLDER] [--color never]",
].join("\n");
