import type { DescribedObject, Difference } from "./objects.ts";
import type { Session } from "./session.ts";

/** The jobs of a cell itself, in its cron database and under its administrator: as sql/cron/routines/ schedules them. */
const CELL_JOBS = {
  "merchant-jobs:cleanup_run_details": "20 4 * * * CALL merchant_jobs.cleanup_run_details()",
} as const;

/** The cell's own jobs that are not as our files schedule them; none where pg_cron is not there yet. */
export async function readCellJobDifferences(session: Session): Promise<readonly Difference[]> {
  const there = await session.query<{ there: boolean }>(
    "select pg_catalog.to_regclass('cron.job') is not null as there",
  );
  if (there.rows[0]?.there !== true) return [];
  const { rows } = await session.query<{ name: string; found: string }>(
    `select j.jobname::text as name,
       pg_catalog.concat_ws(' ', j.schedule, j.command, case when not j.active then '(paused)' end) as found
     from cron.job as j
     where j.username = current_user and j.jobname = any ($1::text[])`,
    [Object.keys(CELL_JOBS)],
  );
  const found = new Map(rows.map((row) => [row.name, row.found]));
  return Object.entries(CELL_JOBS)
    .filter(([name, declared]) => found.get(name) !== declared)
    .map(([name, declared]) => ({
      object: `job ${name}`,
      declared: described(declared),
      found: found.has(name) ? described(found.get(name) ?? "") : undefined,
    }));
}

/** Applying its file again is what heals it. */
function described(definition: string): DescribedObject {
  return { parent: null, definition, restore: null, remove: null };
}
