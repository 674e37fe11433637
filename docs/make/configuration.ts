import { KINDS, LOCAL_FIELDS, SERVER_FIELDS } from "../../spec/cells.ts";
import { ADOPTED_FIELDS, RDS_FIELDS } from "../../spec/aws/rds-fields.ts";
import { BATCH_CHANGES } from "../../spec/job-changes.ts";
import { type JobDefinition, JOBS } from "../../spec/jobs.ts";
import { MERCHANT_FIELDS } from "../../spec/merchants.ts";
import { OFFBOARD_FIELDS } from "../../spec/offboard.ts";
import type { Field } from "../../spec/report.ts";
import { ROLLOUT_FIELDS } from "../../spec/rollout.ts";

type Fields = Readonly<Record<string, Field>>;

/** The tables of docs/configuration.md, by the names that its marks have: every key that the parser reads. */
export const TABLES: Readonly<Record<string, string>> = {
  "cells of kind local": tableOf(LOCAL_FIELDS),
  "cells of kind server": tableOf(SERVER_FIELDS),
  "cells of kind rds": tableOf(RDS_FIELDS),
  "cells of kind adopted": tableOf(ADOPTED_FIELDS),
  merchants: tableOf(MERCHANT_FIELDS),
  offboard: tableOf(OFFBOARD_FIELDS),
  jobs: tableOf(BATCH_CHANGES),
  catalogue: catalogueTable(JOBS),
  rollout: tableOf(ROLLOUT_FIELDS),
};

/** The kinds of cells that the parser knows, for which the page must have a table each. */
export const CELL_KINDS: readonly string[] = KINDS;

const MARK = /(<!-- made by `npm run docs`: (\S[^\n]*?) -->\n).*?(<!-- end -->)/gs;

/** The page with each marked table made anew. Throws when a mark names no table, or a table has no mark. */
export function fillConfigurationPage(page: string): string {
  const marked = [...page.matchAll(MARK)].map(([, , name = ""]) => name);
  const wrong = [
    ...marked.filter((name) => !Object.hasOwn(TABLES, name)).map((name) => `there is no table "${name}"`),
    ...Object.keys(TABLES)
      .filter((name) => !marked.includes(name))
      .map((name) => `the page has no mark for "${name}"`),
  ];
  if (wrong.length > 0) throw new Error(wrong.join("\n"));
  return page.replace(
    MARK,
    (_, before: string, name: string, after: string) => `${before}\n${TABLES[name] ?? ""}\n${after}`,
  );
}

function tableOf(fields: Fields): string {
  const rows = Object.entries(fields).map(([key, { about, rule, required, default: otherwise }]) => [
    `\`${key}\``,
    sentence(about),
    sentence(rule.replace(/^must be /, "").replace(/^must (map|say) /, "$1s ")),
    required ? "**required**" : code(otherwise ?? "none"),
  ]);
  return markdownTable(["key", "what it is", "what is accepted", "default"], rows);
}

function catalogueTable(jobs: Readonly<Record<string, JobDefinition>>): string {
  const rows = Object.entries(jobs).map(([name, { schedule, procedure, batches }]) => [
    `\`${name}\``,
    `\`${schedule}\``,
    `\`${procedure}\``,
    batches === undefined ? "" : String(batches.timeLimitSeconds),
    batches === undefined ? "" : String(batches.batchSize),
    Object.entries(batches?.settings ?? {})
      .map(([setting, days]) => `\`${setting}: ${days}\``)
      .join(", "),
  ]);
  return markdownTable(["job", "schedule", "procedure", "`timeLimitSeconds`", "`batchSize`", "`settings`"], rows);
}

function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line), ""].join("\n");
}

/** A single word, number or name is shown as it is written; a phrase is one. */
function code(text: string): string {
  return /\s/.test(text) || text === "none" || text.endsWith("'s") ? text : `\`${text}\``;
}

function sentence(text: string): string {
  return text.replaceAll("<", "&lt;");
}
