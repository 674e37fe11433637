import path from "node:path";
import { z } from "zod";
import { SCHEDULERS } from "../../spec/cells.ts";
import { applyMigrations, type MigrationsTarget, readMigrations } from "../../converge/migrations.ts";
import { planMigrations } from "../../converge/migrations-plan.ts";
import { roleNames } from "../../spec/names.ts";
import { type Context, provide, UNREADABLE } from "./provider.ts";

const hashes = z.record(z.string(), z.string());

const schema = z.strictObject({
  cell: z.string(),
  database: z.string(),
  set: z.enum(["merchant", "cron"]),
  /** Of a cell's own: who starts its jobs decides what of the files it gets. Default: pg_cron. */
  scheduler: z.enum(SCHEDULERS).optional(),
  migrations: hashes,
  routines: hashes,
  differs: z.record(z.string(), z.string()),
});

/** Inputs of Migrations. `differs` is declared empty; `read` fills it with objects that are not as they were made. */
export type MigrationsInputs = z.infer<typeof schema>;

async function target(inputs: MigrationsInputs, context: Context): Promise<MigrationsTarget> {
  return {
    address: { ...(await context.address(inputs.cell)), scheduler: inputs.scheduler ?? "pg_cron" },
    database: inputs.database,
    set: inputs.set,
    root: path.join(import.meta.dirname, "..", "..", "sql"),
    ...(inputs.set === "merchant" && { roles: roleNames(inputs.database) }),
  };
}

export const provider = provide<MigrationsInputs>({
  schema,
  fixed: ["cell", "database", "set"],
  id: (inputs) => `${inputs.cell}/${inputs.database}`,
  refuse(olds, news) {
    const before = z.looseObject({ migrations: hashes }).safeParse(olds);
    if (!before.success) return [{ property: "migrations", reason: UNREADABLE }];
    const kind = "migration" as const;
    const history = new Map(Object.entries(before.data.migrations).map(([name, sha256]) => [name, { kind, sha256 }]));
    const files = Object.entries(news.migrations).map(([name, sha256]) => ({ name, kind, sha256, text: "" }));
    const plan = planMigrations(files, history, false);
    return "refused" in plan ? plan.refused.map((reason) => ({ property: "migrations", reason })) : [];
  },
  async apply(inputs, context) {
    await applyMigrations(await target(inputs, context), { ...inputs.migrations, ...inputs.routines });
  },
  async read(inputs, context) {
    const found = await readMigrations(await target(inputs, context));
    return found && { ...inputs, ...found };
  },
  // What migrations made goes with the database, or stays with it.
  remove: () => Promise.resolve(),
});
