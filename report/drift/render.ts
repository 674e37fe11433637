import { code, fit, marker, type Section, tableHead, tableRow } from "../markdown.ts";
import type { Owner } from "../owner.ts";
import { contrast, counted, onOneLine, shorten, textTable } from "../text.ts";
import { type Drift, type DriftReport, exitStatusOf, type Unseen } from "./model.ts";
import type { Severity } from "./severity.ts";

/** Characters of one value in a table; `drift.json` has all of them. */
const VALUE = 160;

/** What each severity means to whoever reads it. */
const MEANING: Readonly<Record<Severity, string>> = {
  cell: "a whole cell",
  ledger: "ledger and rights",
  schedule: "schedules",
  attribute: "attributes",
};

/** The outcome in one sentence. */
function headline(report: DriftReport): string {
  const { stack, drift, unseen, errors, merchants } = report;
  const owners = new Set(drift.map(({ owner }) => `${owner.kind} ${owner.name}`));
  const found =
    drift.length === 0
      ? unseen.length + errors.length > 0
        ? "no drift where one could look"
        : `no drift at ${counted(merchants, "merchant")}`
      : `${counted(drift.length, "difference")} at ${counted(owners.size, "place")}`;
  const could = exitStatusOf(report) === 1 ? "; COULD NOT LOOK everywhere" : "";
  return `stack ${stack}: ${found}${could}`;
}

/** The report for a terminal. */
export function renderText(report: DriftReport): string {
  const rows = report.drift.map((drift) => [
    drift.severity,
    ownerText(drift.owner),
    subject(drift),
    shorten(onOneLine(declared(drift)), 48),
    contrast(onOneLine(found(drift)), 72),
  ]);
  const lines = [headline(report)];
  if (rows.length > 0) lines.push("", ...textTable(["severity", "whose", "what", "declared", "found"], rows));
  const repairs = repairsOf(report);
  if (repairs.length > 0) lines.push("", "By hand:", ...repairs.map((repair) => `- ${repair}`));
  const unseen = gather(report.unseen);
  if (unseen.length > 0) {
    lines.push("", "Could not look (this is neither clean nor lost):");
    for (const { where, what, reasons } of unseen) lines.push(`- ${where}, ${what}: ${reasons.join("; ")}`);
  }
  for (const error of report.errors) lines.push(`error: ${shorten(error, 600)}`);
  return `${lines.join("\n")}\n`;
}

/** The report as the text of an issue. */
export function renderMarkdown(report: DriftReport): string {
  const repairs = repairsOf(report);
  const { stack, drift, errors } = report;
  const unseen = gather(report.unseen);
  const pending = drift.some((one) => one.pending);
  const sections: Section[] = [
    {
      head: [marker("drift", stack), `## Drift of ${code(stack)}`, "", code(headline(report))],
      lines: [],
      what: "line",
    },
    {
      head:
        unseen.length + errors.length === 0
          ? []
          : ["### Could not look", "", "This is neither clean nor lost: nobody knows.", ""],
      lines: [
        ...unseen.map(
          ({ where, what, reasons }) =>
            `- **${where}**, ${what}: ${reasons.map((text) => code(shorten(text, 300))).join("; ")}`,
        ),
        ...errors.map((text) => `- ${code(shorten(text, 600))}`),
      ],
      what: "reason",
    },
    ...Object.entries(MEANING).map(([severity, meaning]): Section => {
      const rows = drift.filter((one) => one.severity === severity);
      return {
        head:
          rows.length === 0
            ? []
            : [
                `### ${meaning[0]?.toUpperCase() ?? ""}${meaning.slice(1)}`,
                "",
                ...tableHead("whose", "what", "declared", "found"),
              ],
        lines: rows.map((one) =>
          tableRow(
            ownerMarkdown(one.owner),
            code(subject(one)),
            code(shorten(declared(one), VALUE)),
            code(contrast(onOneLine(found(one)), VALUE)),
          ),
        ),
        what: "difference",
      };
    }),
    {
      head: repairs.length > 0 ? ["### By hand", ""] : [],
      lines: repairs.map((repair) => `- ${code(repair)}`),
      what: "repair",
    },
    {
      head: pending
        ? [
            "Where it says _not applied_, nobody has changed it since the last `up` or `refresh`: the stack file says something else by now, or that run saw it and did not heal it.",
          ]
        : [],
      lines: [],
      what: "line",
    },
    {
      head:
        drift.length === 0
          ? []
          : [
              `To heal all of it, or be told why not: \`pulumi up --refresh --stack ${stack.replace(/[^\w./-]/g, "_")}\``,
            ],
      lines: [],
      what: "line",
    },
  ];
  return fit(sections);
}

/** What no `up` does, whole, so that its statements can be copied. */
function repairsOf({ drift }: DriftReport): readonly string[] {
  return drift.flatMap((one) =>
    one.repair === undefined ? [] : [`${ownerText(one.owner)}, ${subject(one)}: ${onOneLine(one.repair)}`],
  );
}

/** The report for programs: everything, nothing shortened; null where there is nothing. */
export function renderJson(report: DriftReport): string {
  const status = ({ 0: "clean", 1: "could not look", 2: "drift" } as const)[exitStatusOf(report)];
  const explicit = (_key: string, value: unknown) => (value === undefined ? null : value);
  return `${JSON.stringify({ status, ...report }, explicit, 2)}\n`;
}

function subject({ kind, object, property }: Drift): string {
  if (object === "" && property === "") return kind;
  if (object === "") return `${kind} ${property}`;
  return property === "" ? object : `${object} ${property}`;
}

/** What an object should be is recorded in its database; the state says only that nothing shall differ. */
function declared({ declared: value, kind, object, pending }: Drift): string {
  const text =
    value ?? (["Migrations", "Access", "CellProbe"].includes(kind) && object !== "" ? "as applied" : "nothing");
  return pending ? `${text} (not applied)` : text;
}

function found({ found: value }: Drift): string {
  return value ?? "nothing";
}

function ownerText({ kind, name }: Owner): string {
  return kind === "merchant" ? name : `${kind} ${name}`.trim();
}

function ownerMarkdown({ kind, name }: Owner): string {
  return kind === "stack" ? "the stack" : kind === "cell" ? `cell ${code(name)}` : code(name);
}

interface Gathered {
  readonly where: string;
  readonly what: string;
  readonly reasons: readonly string[];
}

/** A cell that does not answer fails every one of its resources: it is said once for each cell. */
function gather(unseen: readonly Unseen[]): readonly Gathered[] {
  const groups = Map.groupBy(unseen, ({ cell, owner }) => (cell === undefined ? ownerText(owner) : `cell ${cell}`));
  return [...groups].map(([where, all]) => {
    const merchants = new Set(all.flatMap(({ owner }) => (owner.kind === "merchant" ? [owner.name] : [])));
    const reasons = [...Map.groupBy(all, ({ reason }) => alike(reason)).values()].toSorted(
      (a, b) => b.length - a.length,
    );
    const names = [...merchants].sort();
    const who =
      names.length === 0
        ? ""
        : names.length <= 5
          ? ` of ${names.join(", ")}`
          : ` of ${counted(names.length, "merchant")}`;
    const rest = reasons.length - 3;
    return {
      where,
      what: `${counted(all.length, "resource")}${who}`,
      reasons: [
        ...reasons
          .slice(0, 3)
          .map((same) => `${same[0]?.reason ?? ""}${same.length > 1 ? ` (${same.length} times)` : ""}`),
        ...(rest > 0 ? [`and ${counted(rest, "other reason")}`] : []),
      ],
    };
  });
}

/** Reasons that differ in the names of databases and resources and in numbers alone are one reason. */
function alike(reason: string): string {
  return reason
    .replace(/urn:\S+/g, "urn")
    .replace(/database \S+/g, "database")
    .replace(/\d+/g, "0");
}
