import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import type { Scheduler } from "../spec/cells.ts";
import { ConvergeError } from "./errors.ts";

/** A SQL file of the repository. `name` is its path below the set's folder, with forward slashes. */
export interface SqlFile {
  readonly name: string;
  /**
   * - `migration`: numbered, applied once and for ever, as the owner.
   * - `routine`: procedures and functions, applied again when the text changed, as the owner.
   * - `access`: rights, applied after every change of a routine or of itself, as the administrator.
   */
  readonly kind: "migration" | "routine" | "access";
  readonly sha256: string;
  readonly text: string;
}

/** The sets of files there are: for each merchant's database, and for the cron database of each cell. */
export type SqlSet = "merchant" | "cron";

/** What an input says of files: a file or folder to the beginning of its sha256 (`hashesOf`). */
export type Hashes = Readonly<Record<string, string>>;

/** Files of the set `cron` that are about pg_cron, and are left out on a cell whose jobs the runner starts. */
const ABOUT_PG_CRON: readonly string[] = [
  "migrations/001_enable_pg_cron.sql",
  "routines/010_cleanup_run_details.sql",
  "routines/020_schedule_cleanup_run_details.sql",
];

/**
 * Whether a file of the set `cron` comes and goes with the scheduler of its cell. A migration among them does nothing
 * where it was done before, so that it may be applied again, and after migrations with higher numbers.
 */
export function comesWithPgCron(name: string): boolean {
  return ABOUT_PG_CRON.includes(name);
}

/** What of a set a cell gets. */
export function filesFor(files: readonly SqlFile[], scheduler: Scheduler): readonly SqlFile[] {
  return scheduler === "pg_cron" ? files : files.filter(({ name }) => !comesWithPgCron(name));
}

/**
 * Reads all files of a set below `root` (the repository's `sql/`), in the order in which they are applied. A file's
 * place says what it is: `…/migrations/NNN_verb_object.sql`, `…/routines/*.sql`, `…/access.sql`. Throws `bad_files`
 * with every problem of names and numbers at once.
 */
export function readSqlFiles(root: string, set: SqlSet): readonly SqlFile[] {
  const folder = path.join(root, set);
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".sql"))
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)).split(path.sep).join("/"))
    .sort()
    .map((name): SqlFile => {
      const text = readFileSync(path.join(folder, name), "utf8");
      return { name, kind: kindOf(name), text, sha256: createHash("sha256").update(text).digest("hex") };
    });
  const problems = nameProblems(files);
  if (problems.length > 0) {
    throw new ConvergeError("bad_files", [`the SQL files in sql/${set} cannot be used:`, ...problems].join("\n- "));
  }
  const rank = { migration: 0, routine: 1, access: 2 } as const;
  return files.toSorted((a, b) => rank[a.kind] - rank[b.kind] || order(a).localeCompare(order(b), "en"));
}

/**
 * A sha256 as inputs carry it: 16 hexadecimal digits tell the versions of a file apart, and the state of every merchant
 * holds each of them twice. The history in the database has the whole.
 */
export function shortHash(sha256: string): string {
  return sha256.slice(0, 16);
}

/**
 * Files as inputs carry them: migrations by name, since each is applied once and for ever; routines and rights, of which
 * there are dozens and all are applied again when one changed, by one hash for each folder.
 */
export function hashesOf(files: readonly Pick<SqlFile, "name" | "kind" | "sha256">[]): {
  readonly migrations: Hashes;
  readonly routines: Hashes;
} {
  const migrations = files.filter(({ kind }) => kind === "migration");
  const folders = Map.groupBy(
    files.filter(({ kind }) => kind !== "migration"),
    ({ name }) => name.split("/")[0] ?? name,
  );
  return {
    migrations: Object.fromEntries(migrations.map(({ name, sha256 }) => [name, shortHash(sha256)])),
    routines: Object.fromEntries([...folders].map(([folder, all]) => [folder, hashOfAll(all)])),
  };
}

function hashOfAll(files: readonly Pick<SqlFile, "name" | "sha256">[]): string {
  const lines = files.map(({ name, sha256 }) => `${name} ${sha256}\n`).sort();
  return shortHash(createHash("sha256").update(lines.join("")).digest("hex"));
}

/** Throws `file_changed` when the files are not those that the inputs name: the plan was made with others. */
export function assertSameFiles(files: readonly SqlFile[], inputs: Hashes): void {
  const { migrations, routines } = hashesOf(files);
  const found: Hashes = { ...migrations, ...routines };
  const names = [...new Set([...Object.keys(found), ...Object.keys(inputs)])].sort();
  const changed = names.filter((name) => found[name] !== inputs[name]);
  if (changed.length === 0) return;
  throw new ConvergeError(
    "file_changed",
    `${changed.join(", ")} changed after the plan was made; nothing was applied: run preview and up again`,
  );
}

/** The number with which a migration's name begins. */
export function migrationNumber(name: string): number {
  return Number(/^(\d+)_/.exec(path.posix.basename(name))?.[1]);
}

function kindOf(name: string): SqlFile["kind"] {
  if (path.posix.basename(name) === "access.sql") return "access";
  return path.posix.basename(path.posix.dirname(name)) === "migrations" ? "migration" : "routine";
}

/** Migrations of all folders in the order of their numbers, the rest by name; the outer access.sql before inner ones. */
function order(file: SqlFile): string {
  if (file.kind === "migration") return String(migrationNumber(file.name)).padStart(12, "0");
  return file.kind === "access" ? `${file.name.split("/").length}/${file.name}` : file.name;
}

function nameProblems(files: readonly SqlFile[]): string[] {
  const problems: string[] = [];
  const byNumber = new Map<number, string>();
  for (const { name, kind, text } of files) {
    if (kind === "migration") {
      if (!/^\d{3,9}_[a-z0-9_]+\.sql$/.test(path.posix.basename(name))) {
        problems.push(`${name}: a migration is named NNN_verb_object.sql, in lower case; rename it`);
      } else {
        const number = migrationNumber(name);
        const other = byNumber.get(number);
        if (other !== undefined)
          problems.push(`${name}: ${other} has the same number; give the newer one a higher one`);
        byNumber.set(number, name);
      }
    } else if (kind === "routine" && path.posix.basename(path.posix.dirname(name)) !== "routines") {
      problems.push(`${name}: a SQL file is in a folder migrations/ or routines/, or is called access.sql; move it`);
    }
    if (text.trim() === "") problems.push(`${name}: the file is empty; write it or remove it`);
  }
  return problems;
}
