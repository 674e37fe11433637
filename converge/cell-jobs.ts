import { setTimeout } from "node:timers/promises";
import type { CellAddress } from "./address.ts";
import { assertCanLook } from "./cron-server.ts";
import type { DescribedObject, Difference } from "./objects.ts";
import { readRunning, RUN_PATIENCE, stillRunning } from "./running-jobs.ts";
import { lockInTransaction, type Session, withCronSession, withTransaction } from "./session.ts";

/** The jobs of a cell itself, in its cron database and under its administrator: as sql/cron/routines/ schedules them. */
const CELL_JOBS = {
  "merchant-jobs:cleanup_run_details": "20 4 * * * CALL merchant_jobs.cleanup_run_details()",
} as const;

/** Milliseconds between two looks whether a run has ended. */
const BETWEEN_LOOKS = 500;

interface Found {
  readonly name: string;
  readonly jobid: string;
  readonly found: string;
}

/**
 * The cell's own jobs that are not as our files schedule them, which is not at all where the runner starts the jobs. None
 * where pg_cron is not there, or not yet.
 */
export async function readCellJobDifferences(session: Session, address: CellAddress): Promise<readonly Difference[]> {
  const rows = await readCellJobs(session);
  const found = new Map(rows?.map((row) => [row.name, row.found]));
  const wanted: Readonly<Record<string, string>> =
    address.scheduler === "runner" || rows === undefined ? {} : CELL_JOBS;
  return Object.keys(CELL_JOBS)
    .filter((name) => found.get(name) !== wanted[name])
    .map((name) => ({ object: `job ${name}`, declared: described(wanted[name]), found: described(found.get(name)) }));
}

/**
 * Takes the cell's own jobs out of the crontab of a cell whose jobs the runner starts, none while it runs. Throws `in_use`
 * for one that runs for longer than a person would wait.
 */
export async function removeCellJobs(address: CellAddress, patience = RUN_PATIENCE): Promise<void> {
  if (address.scheduler !== "runner") return;
  const end = performance.now() + patience;
  for (;;) {
    const running = await withCronSession(address, (session) =>
      withTransaction(session, async () => {
        if ((await assertCanLook(session, address)) === undefined) return [];
        await lockInTransaction(session, "crontab");
        const ids = (await readCellJobs(session))?.map(({ jobid }) => jobid) ?? [];
        const busy = await readRunning(session, ids);
        if (busy.length === 0) for (const id of ids) await session.query("select cron.unschedule($1::bigint)", [id]);
        return busy;
      }),
    );
    if (running.length === 0) return;
    if (performance.now() >= end) throw stillRunning(`cell ${address.cell}`, running, patience);
    await setTimeout(BETWEEN_LOOKS);
  }
}

/** Undefined where there is no pg_cron. */
async function readCellJobs(session: Session): Promise<readonly Found[] | undefined> {
  const there = await session.query<{ there: boolean }>(
    "select exists (select from pg_catalog.pg_extension as e where e.extname = 'pg_cron') as there",
  );
  if (there.rows[0]?.there !== true) return undefined;
  const { rows } = await session.query<Found>(
    `select j.jobname::text as name, j.jobid::text as jobid,
       pg_catalog.concat_ws(' ', j.schedule, j.command, case when not j.active then '(paused)' end) as found
     from cron.job as j
     where j.username = current_user and j.jobname = any ($1::text[])`,
    [Object.keys(CELL_JOBS)],
  );
  return rows;
}

/** Applying its file again is what heals it. */
function described(definition: string | undefined): DescribedObject | undefined {
  return definition === undefined ? undefined : { parent: null, definition, restore: null, remove: null };
}
