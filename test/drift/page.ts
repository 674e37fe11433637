import { allJobsGone, cellKinds, cellProblems, leftOver, notLoaded } from "./cell-kinds.ts";
import { crontabKinds } from "./crontab-kinds.ts";
import { type DriftKind, merchantOf, named } from "./kinds.ts";
import { objectKinds } from "./object-kinds.ts";
import { FILE_KINDS, type RefusedKind, refusedKinds } from "./refused-kinds.ts";
import { roleKinds } from "./role-kinds.ts";
import { type SecretKind, secretKinds } from "./secret-kinds.ts";
import { UNSEEN } from "./unseen.ts";

/** A row of docs/drift.md: what was changed, the resource that shows it, its lines there, and what `up --refresh` does. */
export type PageRow = readonly [kind: string, resource: string, shows: string, up: string];

/** What one cell of a table can hold and still be read. */
const WIDTH = 90;

const RESOURCES: Readonly<Record<string, string>> = {
  crontab: "Crontab",
  migrations: "Migrations",
  access: "Access",
  owner: "Role",
  database: "Database",
  cron: "cell: Migrations",
  probe: "cell: CellProbe",
};

function rowOf(kind: DriftKind | RefusedKind): PageRow {
  const text = (line: string) => cut(kind.at === "home" ? line : named(line, merchantOf(kind.at)));
  const shows =
    kind.resource === "migrations" && kind.shows[0]?.startsWith("::") ? "it is gone" : code(text(kind.shows.join(" ")));
  const up = "refused" in kind ? `refuses: ${code(text(kind.refused))}` : "heals it";
  return [kind.kind, RESOURCES[kind.resource] ?? kind.resource, shows, up];
}

/** Of a merchant acme on the instance `old-1`. */
function secretRowOf({ kind, shows, refused }: SecretKind): PageRow {
  const line = `+ secret merchant-jobs/old-1/acme/app: "${named(shows, merchantOf("acme"))}"`;
  return [kind, "Access", code(line), refused === undefined ? "heals it" : `refuses: ${code(refused)}`];
}

const cut = (text: string) => (text.length > WIDTH ? `${text.slice(0, WIDTH)}…` : text);
const code = (text: string) => `\`${text.trim()}\``;

/** The rows of the page's tables, by their headings. */
export const PAGE: Readonly<Record<string, readonly PageRow[]>> = {
  Crontab: [...crontabKinds.map(rowOf), rowOf(allJobsGone), ...cellKinds.map(rowOf)],
  "Objects in a merchant's database": objectKinds.map(rowOf),
  "Roles and databases": roleKinds.map(rowOf),
  "Secrets of applications": secretKinds.map(secretRowOf),
  "What only a person can make right": refusedKinds.map(rowOf),
  "Migration files": FILE_KINDS.map(({ kind, refused }) => [
    kind,
    "Migrations",
    "every preview stops, also without a connection",
    `refuses: ${code(refused)}`,
  ]),
  "The cell": [
    ...cellProblems.map(rowOf),
    rowOf(notLoaded),
    [...rowOf(leftOver).slice(0, 3), `goes on; to remove it: ${code(leftOver.refused)}`] as unknown as PageRow,
  ],
};

/** What the page says is not shown. */
export const NOT_SHOWN: readonly string[] = UNSEEN.map(({ kind }) => kind);
