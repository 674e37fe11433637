import { describe, expect, test } from "vitest";
import { isEmptyPlan, planMigrations } from "../../../converge/migrations-plan.ts";
import { filesFor, type SqlFile } from "../../../converge/sql-files.ts";

const file = (name: string, kind: SqlFile["kind"], sha256 = `sha of ${name}`): SqlFile => ({
  name,
  kind,
  sha256,
  text: "select 1",
});
const files = [
  file("engine/migrations/001_create_a.sql", "migration"),
  file("ledger/migrations/002_create_b.sql", "migration"),
  file("engine/routines/do_it.sql", "routine"),
  file("access.sql", "access"),
];
const applied = (...names: readonly string[]) =>
  new Map(
    names.map((name) => {
      const kind = name.includes("migrations/") ? ("migration" as const) : ("routine" as const);
      return [name, { kind, sha256: `sha of ${name}` }] as const;
    }),
  );
const everything = applied(...files.map(({ name }) => name));
const names = (list: readonly SqlFile[]) => list.map(({ name }) => name);

describe("planMigrations", () => {
  test("applies everything to an empty database, in order", () => {
    const plan = planMigrations(files, new Map(), false);
    if ("refused" in plan) throw new Error("refused");
    expect(names(plan.migrations)).toEqual([
      "engine/migrations/001_create_a.sql",
      "ledger/migrations/002_create_b.sql",
    ]);
    expect(names(plan.routines)).toEqual(["engine/routines/do_it.sql", "access.sql"]);
  });

  test("has nothing to do where everything is applied", () => {
    const plan = planMigrations(files, everything, false);
    expect("refused" in plan ? plan : isEmptyPlan(plan)).toBe(true);
  });

  test("applies all routines again when one changed, and when an object is damaged", () => {
    const changed = [...files.slice(0, 2), file("engine/routines/do_it.sql", "routine", "new"), ...files.slice(3)];
    for (const plan of [planMigrations(changed, everything, false), planMigrations(files, everything, true)]) {
      if ("refused" in plan) throw new Error("refused");
      expect(names(plan.routines)).toEqual(["engine/routines/do_it.sql", "access.sql"]);
      expect(plan.migrations).toEqual([]);
    }
  });

  test("only heals when no file changed", () => {
    expect(planMigrations(files, everything, true)).toMatchObject({ filesChanged: false });
  });

  test("forgets a routine whose file is gone", () => {
    const history = new Map([...everything, ...applied("engine/routines/old.sql")]);
    expect(planMigrations(files, history, false)).toMatchObject({
      forgotten: ["engine/routines/old.sql"],
      routines: [],
    });
  });

  test("gives a cell pg_cron's files when it gets that, and forgets them when the runner takes its place", () => {
    const all = [
      file("migrations/001_enable_pg_cron.sql", "migration"),
      file("migrations/002_create_registry.sql", "migration"),
      file("routines/010_cleanup_run_details.sql", "routine"),
      file("routines/030_cell_health.sql", "routine"),
    ];
    const without = filesFor(all, "runner");
    expect(names(without)).toEqual(["migrations/002_create_registry.sql", "routines/030_cell_health.sql"]);
    expect(filesFor(all, "pg_cron")).toEqual(all);
    const plan = planMigrations(all, applied(...names(without)), false);
    if ("refused" in plan) throw new Error("refused");
    expect(names(plan.migrations)).toEqual(["migrations/001_enable_pg_cron.sql"]);
    expect(names(plan.routines)).toEqual(["routines/010_cleanup_run_details.sql", "routines/030_cell_health.sql"]);
    expect(planMigrations(without, applied(...names(all)), false)).toMatchObject({
      migrations: [],
      routines: [],
      forgotten: ["migrations/001_enable_pg_cron.sql", "routines/010_cleanup_run_details.sql"],
    });
  });

  test("refuses an edited, a missing and an overtaken migration, all at once and by name", () => {
    const history = applied("engine/migrations/001_create_a.sql", "ledger/migrations/005_gone.sql");
    const edited = [file("engine/migrations/001_create_a.sql", "migration", "edited"), ...files.slice(1)];
    expect(planMigrations(edited, history, false)).toMatchInlineSnapshot(`
      {
        "refused": [
          "engine/migrations/001_create_a.sql was edited after it was applied: restore the file, and write what you want changed as a new migration",
          "ledger/migrations/005_gone.sql was applied and its file is missing: bring the file back; what it made can be undone by a new migration",
          "ledger/migrations/002_create_b.sql comes before migrations that are applied already: give it a number above 5",
        ],
      }
    `);
  });
});
