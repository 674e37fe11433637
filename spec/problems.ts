import { hideSecrets } from "./redact.ts";

/** One thing that is wrong in the configuration, and the way out. */
export interface Problem {
  /** Where it stands, for example `merchant-jobs:cells.home.port`. */
  readonly path: string;
  /** What was found there; left out when there is nothing, or nothing that may be shown. */
  readonly value?: unknown;
  /** What does not hold, as the end of a sentence about the value. */
  readonly rule: string;
  /** What to do, as an imperative. */
  readonly fix: string;
}

const SHOWN_CHARACTERS = 80;

/** Everything that is wrong in one configuration. `problems` and the message show no credential. */
export class SpecError extends Error {
  override readonly name = "SpecError";
  readonly code = "invalid_config";
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    const shown = problems.map((problem) =>
      "value" in problem ? { ...problem, value: hideSecrets(problem.value) } : problem,
    );
    const count = shown.length === 1 ? "1 problem" : `${shown.length} problems`;
    super([`The configuration has ${count}. Nothing was changed.`, ...shown.map(describeProblem)].join("\n"));
    this.problems = shown;
  }
}

/** A problem as a bullet of three lines: path and value, rule, way out. Shows no credential. */
export function describeProblem({ path, value, rule, fix }: Problem): string {
  const shown = value === undefined ? "" : ` = ${show(value)}`;
  return [`- ${path}${shown}`, `    ${rule}`, `    way out: ${fix}`].join("\n");
}

function show(value: unknown): string {
  const text = JSON.stringify(hideSecrets(value));
  const characters = Array.from(text);
  return characters.length <= SHOWN_CHARACTERS ? text : `${characters.slice(0, SHOWN_CHARACTERS - 1).join("")}…`;
}
