import type { Message } from "../engine-events.ts";
import { code, fit, marker, type Section } from "../markdown.ts";
import { nameOf } from "../../local/engine/urn.ts";
import { type Owner, ownerOf } from "../owner.ts";
import { counted, shorten } from "../text.ts";
import type { SharedChange, Summary } from "./model.ts";
import { type Line, linesOf } from "./lines.ts";

/** Characters of one message; the run's log has all of it. */
const MESSAGE = 400;
/** As many names are told one by one; of more only their number, or who is left out. */
const NAMES = 12;

/** The preview as a comment on a pull request: always under 60,000 characters. */
export function renderSummary(summary: Summary): string {
  const { stack, destructive, changes, messages, succeeded, created } = summary;
  const shared = linesOf(changes);
  const ofMany = shared.filter(({ owners }) => owners.length > 1);
  const ofOne = shared.filter(({ owners }) => owners.length === 1);
  const errors = messages.filter(({ severity }) => severity === "error");
  const failedAt = succeeded ? "" : " **The preview failed: what follows is what was seen until then.**";
  const sections: Section[] = [
    {
      head: [marker("preview", stack), `## Preview of ${code(stack)}`, "", `${headline(summary)}${failedAt}`],
      lines: [],
      what: "line",
    },
    list("### ⚠️ Destroys or forgets", destructiveLines(destructive, summary), "destructive step", false),
    list("### ❌ Errors", messageLines(errors), "error"),
    list(
      "### For several merchants",
      ofMany.map((line) => `- ${line.text} ${forWhom(line.owners, summary)}`),
      "change",
    ),
    list(`### New merchants`, created.length === 0 ? [] : [`- ${namesOf(created)}`], "line"),
    ...byOwner(ofOne),
    list("### Messages", messages.filter(({ severity }) => severity !== "error").map(messageLine), "message"),
  ];
  return fit(sections);
}

/** What destroys is never folded away. */
function list(title: string, lines: readonly string[], what: string, fold = true): Section {
  return { head: lines.length === 0 ? [] : [title, ""], lines, what, fold };
}

function headline({ merchants, created, removed, changed, changes, destructive, succeeded }: Summary): string {
  const unchanged = merchants.length - created.length - removed.length - changed.length;
  if (created.length + changes.length + destructive.length === 0) {
    return succeeded ? `Nothing changes for ${counted(merchants.length, "merchant")}.` : "No change was seen.";
  }
  const parts = [
    ...(created.length > 0 ? [counted(created.length, "new merchant")] : []),
    ...(changed.length > 0 ? [`${counted(changed.length, "merchant")} changed`] : []),
    ...(removed.length > 0 ? [`${counted(removed.length, "merchant")} removed`] : []),
    ...(unchanged > 0 ? [`${counted(unchanged, "merchant")} unchanged`] : []),
  ];
  const steps =
    destructive.length === 0 ? "nothing is destroyed" : `**${counted(destructive.length, "destructive step")}**`;
  return `${parts.join(", ")}; ${steps}.`;
}

/** What is done in one way to the same merchants is one line. */
function destructiveLines(changes: readonly SharedChange[], summary: Summary): readonly string[] {
  const groups = Map.groupBy(changes, (one) => `${verbOf(one)} ${forWhom(one.owners, summary)}`);
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const kinds = group.map(({ change }) => code(change.kind));
    return [`- ${verbOf(first)} ${kinds.join(", ")} ${forWhom(first.owners, summary)}`];
  });
}

function verbOf({ change: { op, retained } }: SharedChange): string {
  if (op === "replace") return "**replaces** (deletes and makes anew)";
  if (op === "create") return "**begins to offboard** by";
  if (op === "update") return "**drops** by";
  return retained ? "**forgets** (it stays on the server)" : "**deletes**";
}

/** `for 412 merchants, all but acme and coral`: the shorter list of names, or none. */
function forWhom(owners: readonly Owner[], { merchants, created, removed }: Summary): string {
  const names = owners.map(({ name }) => name);
  if (owners[0]?.kind === "stack") return "of the stack";
  if (owners[0]?.kind === "cell")
    return names.length === 1 ? `of cell ${namesOf(names)}` : `of cells ${namesOf(names)}`;
  const those = new Set([...names, ...created, ...removed]);
  const others = merchants.filter((id) => !those.has(id));
  if (names.length === 1) return `for ${namesOf(names)}`;
  if (others.length === 0) return `for all ${counted(names.length, "merchant")}`;
  if (others.length <= Math.min(NAMES, names.length))
    return `for ${counted(names.length, "merchant")}, all but ${namesOf(others)}`;
  if (names.length <= NAMES) return `for ${namesOf(names)}`;
  return `for ${counted(names.length, "merchant")}: ${namesOf(names)}`;
}

function namesOf(names: readonly string[]): string {
  const shown = names.slice(0, names.length > NAMES ? NAMES - 2 : NAMES);
  const rest = names.length - shown.length;
  return `${shown.map(code).join(", ")}${rest > 0 ? ` and ${rest.toLocaleString("en-US")} more` : ""}`;
}

/** One line for each merchant whose change is nobody else's. */
function byOwner(lines: readonly Line[]): readonly Section[] {
  const of = (kind: Owner["kind"]) =>
    [
      ...Map.groupBy(
        lines.filter(({ owners }) => owners[0]?.kind === kind),
        ({ owners }) => owners[0]?.name ?? "",
      ),
    ]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(
        ([name, all]) => `- ${kind === "stack" ? "" : `**${code(name)}**: `}${all.map(({ text }) => text).join("; ")}`,
      );
  return [
    list("### One by one", of("merchant"), "merchant"),
    list("### Cells", of("cell"), "cell"),
    list("### Stack", of("stack"), "change"),
  ];
}

/** A message that many have with their own names in it is said once. */
function messageLines(messages: readonly Message[]): readonly string[] {
  const groups = Map.groupBy(messages, ({ severity, urn, text }) => {
    const { name } = ownerOf(urn);
    return `${severity} ${name === "" ? text : text.replaceAll(name, "…")}`;
  });
  return [...groups.values()].flatMap(([first, ...rest]) => {
    if (first === undefined) return [];
    const names = [...new Set(rest.map(({ urn }) => nameOf(urn)))];
    const alike = rest.length === 0 ? "" : `, and alike of ${namesOf(names)}`;
    const { head, items } = withItems(first);
    return [`${messageLine(head)}${alike}`, ...items];
  });
}

/** What says several things in one message, each on a line that begins with a dash, is a list of them. */
function withItems(message: Message): { readonly head: Message; readonly items: readonly string[] } {
  const [text = "", ...items] = message.text.split(/\n(?=- )/);
  return { head: { ...message, text }, items: items.map((item) => `  - ${code(shorten(item.slice(2), MESSAGE))}`) };
}

function messageLine({ severity, urn, text }: Message): string {
  const about = urn === "" || urn.includes("::pulumi:pulumi:Stack::") ? "" : `${code(nameOf(urn))}: `;
  return `- ${severity === "warning" ? "⚠️ " : ""}${about}${code(shorten(text, MESSAGE))}`;
}
