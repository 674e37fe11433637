import { comesWithPgCron, migrationNumber, type SqlFile } from "./sql-files.ts";

/** What a database says was applied to it: file name to kind and sha256. */
export type History = ReadonlyMap<string, { readonly kind: "migration" | "routine"; readonly sha256: string }>;

/** What is to be applied to one database, in order. */
export interface MigrationsPlan {
  readonly migrations: readonly SqlFile[];
  /** All routines and rights, when one of them changed, a migration came or an object is not as it was; else none. */
  readonly routines: readonly SqlFile[];
  /** Objects may look different afterwards. When false, what is applied only heals. */
  readonly filesChanged: boolean;
  /**
   * Rows of the history whose routine file is gone, and those of pg_cron's files that the cell does not get any more. Its
   * objects stay: dropping them is a migration's work.
   */
  readonly forgotten: readonly string[];
}

/** Why the history cannot be continued; one sentence each. */
export interface MigrationsRefusal {
  readonly refused: readonly string[];
}

/**
 * Decides what to apply. Migrations go forward only: an applied one must be there, unchanged, and a new one must have a higher
 * number than all applied ones, but for what comes and goes with pg_cron. `damaged` says that an object of ours differs from
 * what was recorded.
 */
export function planMigrations(
  files: readonly SqlFile[],
  history: History,
  damaged: boolean,
): MigrationsPlan | MigrationsRefusal {
  const byName = new Map(files.map((file) => [file.name, file]));
  const isForgotten = ([name, row]: readonly [string, { readonly kind: string }]) =>
    !byName.has(name) && (row.kind === "routine" || comesWithPgCron(name));
  const applied = [...history].filter((row) => row[1].kind === "migration" && !isForgotten(row));
  const newest = Math.max(0, ...applied.map(([name]) => migrationNumber(name)).filter(Number.isFinite));
  const migrations = files.filter((file) => file.kind === "migration" && !history.has(file.name));
  const refused = [
    ...applied.flatMap(([name, row]) => {
      const file = byName.get(name);
      if (file === undefined) {
        return [
          `${name} was applied and its file is missing: bring the file back; what it made can be undone by a new migration`,
        ];
      }
      if (file.sha256 === row.sha256) return [];
      return [
        `${name} was edited after it was applied: restore the file, and write what you want changed as a new migration`,
      ];
    }),
    ...migrations
      .filter((file) => migrationNumber(file.name) < newest && !comesWithPgCron(file.name))
      .map((file) => `${file.name} comes before migrations that are applied already: give it a number above ${newest}`),
  ];
  if (refused.length > 0) return { refused };
  const rest = files.filter((file) => file.kind !== "migration");
  const changed = rest.some((file) => history.get(file.name)?.sha256 !== file.sha256);
  return {
    migrations,
    routines: changed || damaged || migrations.length > 0 ? rest : [],
    filesChanged: changed || migrations.length > 0,
    forgotten: [...history].filter(isForgotten).map(([name]) => name),
  };
}

/** Whether there is nothing to do. */
export function isEmptyPlan(plan: MigrationsPlan): boolean {
  return plan.migrations.length === 0 && plan.routines.length === 0 && plan.forgotten.length === 0;
}
