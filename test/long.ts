// npm run test:long [-- --budget 15m] [--seed N]: every case of the long tests, or a seeded sample that fits the budget;
// and all of what depends on PostgreSQL's version, on PostgreSQL 17.
import { spawnSync } from "node:child_process";
import path from "node:path";
import { parseArgs } from "node:util";

const { values } = parseArgs({ options: { budget: { type: "string" }, seed: { type: "string" } } });
const minutes = values.budget === undefined ? undefined : /^(\d+)m?$/.exec(values.budget)?.[1];
if (values.budget !== undefined && minutes === undefined) {
  console.error(`--budget ${values.budget}: write minutes, for example --budget 15m`);
  process.exit(2);
}
const seed = values.seed ?? String(Math.floor(Math.random() * 1_000_000));
console.log(`long tests: seed ${seed}, ${minutes === undefined ? "every case" : `a sample of ${minutes} minutes`}`);
const run = spawnSync(
  process.execPath,
  [path.join("node_modules", "vitest", "vitest.mjs"), "run", "--project", "long", "--project", "db-17"],
  {
    stdio: "inherit",
    env: { ...process.env, SEED: seed, ...(minutes !== undefined && { BUDGET_MINUTES: minutes }) },
  },
);
process.exit(run.status ?? 1);
