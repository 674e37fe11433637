import type { Events, Operation, Severity, StackOutputs, Step, Summary } from "./events.ts";
import { CHANGE_SIGNS, describeChanges, diffProps, showValue } from "./property-diff.ts";
import type { Change } from "./property-diff.ts";
import { changesOf, outputChangesOf } from "./step-changes.ts";
import { nameOf, typeOf } from "./urn.ts";

const SIGNS: Readonly<Record<Operation, string>> = {
  same: " ",
  create: "+",
  update: "~",
  delete: "-",
  "delete-replaced": "-",
  refresh: "~",
  import: "=",
};
const COLORS: Readonly<Record<string, number>> = { "+": 32, "~": 33, "-": 31, "=": 36, error: 31, warning: 33 };

/** How the steps are shown. */
interface DisplaySettings {
  readonly planning: boolean;
  readonly diff: boolean;
  readonly color: boolean;
  readonly write: (text: string) => void;
}

/** Events as lines for people: one for each changed resource, as it finishes. */
export function displayEvents(settings: DisplaySettings): Events {
  const { planning, diff, color, write } = settings;
  const paint = (text: string, by: string) => (color && COLORS[by] ? `\u001b[${COLORS[by]}m${text}\u001b[0m` : text);
  const line = (text: string) => {
    write(`${text}\n`);
  };

  const showStep = (step: Step, seconds: number) => {
    const found = step.op === "refresh" ? (step.found ?? "same") : step.op;
    // A diff shows also what is different in the outputs alone, which no up changes (pkg/backend/display/diff.go,
    // renderDiffResourceOutputsEvent).
    const alone = found === "same" && step.op === "refresh" && diff ? outputChangesOf(step) : [];
    const op = alone.length > 0 ? "update" : found;
    if (op === "same") return;
    const sign = SIGNS[op];
    const changes = alone.length > 0 ? alone : op === "delete" ? [] : changesOf(step);
    const time = planning || seconds < 0.1 ? "" : ` (${seconds.toFixed(1)} s)`;
    const what =
      step.op === "refresh" ? `refresh: ${op === "delete" ? "it is gone" : "it is different"}` : verb(op, planning);
    const keys = diff || op === "create" ? "" : summarize(changes);
    line(paint(` ${sign} ${typeOf(step.urn)} ${nameOf(step.urn)} ${what}${keys}${time}`, sign));
    if (!diff) return;
    if (step.old?.id ?? step.new?.id) line(`      [id=${step.old?.id ?? step.new?.id ?? ""}]`);
    line(`      [urn=${step.urn}]`);
    for (const text of describeChanges(changes, "      ")) line(paint(text, text.trim().slice(0, 1)));
  };

  const showOutputsOf = ({ old, new: next }: StackOutputs) => {
    const changes = diffProps(old ?? {}, next ?? {});
    if (Object.keys(next ?? {}).length === 0 && changes.length === 0) return;
    line("Outputs:");
    const changed = new Set(changes.map((c) => c.key));
    for (const [key, value] of Object.entries(next ?? {}))
      if (!changed.has(key)) line(`    ${key}: ${showValue(value, "    ")}`);
    for (const text of describeChanges(changes, "  ")) line(paint(text, text.trim().slice(0, 1)));
  };

  return {
    started: () => undefined,
    finished: showStep,
    failed(step, message) {
      const what = step.op === "refresh" ? "refresh" : verb(step.op, true);
      line(paint(`error: ${typeOf(step.urn)} ${nameOf(step.urn)}: ${what} failed: ${message}`, "error"));
    },
    message(severity, urn, text) {
      const about = urn === "" ? "" : `${nameOf(urn)}: `;
      line(paint(`${label(severity)}${about}${text.trimEnd()}`, severity));
    },
    summary(summary, outputs) {
      if (outputs) showOutputsOf(outputs);
      line(describeSummary(summary));
    },
  };
}

function verb(op: Operation, planning: boolean): string {
  if (planning) return op;
  const past: Readonly<Record<Operation, string>> = {
    same: "unchanged",
    create: "created",
    update: "updated",
    delete: "deleted",
    "delete-replaced": "deleted (it was replaced)",
    refresh: "refreshed",
    import: "imported",
  };
  return past[op];
}

function label(severity: Severity): string {
  return severity === "info" ? "" : `${severity}: `;
}

/** ` [diff: ~schedule,+extra]`, as the CLI's progress lines say it. */
function summarize(changes: readonly Change[]): string {
  if (changes.length === 0) return "";
  return ` [diff: ${changes.map((c) => `${CHANGE_SIGNS[c.kind]}${c.key}`).join(",")}]`;
}

function describeSummary({ planning, result, durationSeconds, changes }: Summary): string {
  const done = planning ? "to " : "";
  const counted = (Object.entries(changes) as [Operation, number][]).filter(([op, n]) => op !== "same" && n > 0);
  const lines = counted.map(([op, n]) => `    ${SIGNS[op]} ${n} ${planning ? `${done}${op}` : verb(op, false)}`);
  const same = changes.same ?? 0;
  const outcome =
    result === "succeeded"
      ? ""
      : result === "failed"
        ? " It failed: see the errors above."
        : " It was stopped by Ctrl-C.";
  return [
    "Resources:",
    ...lines,
    ...(same > 0 ? [`    ${same} unchanged`] : []),
    ...(lines.length === 0 && same === 0 ? ["    none"] : []),
    "",
    `Duration: ${durationSeconds.toFixed(1)} s.${outcome}`,
  ].join("\n");
}
