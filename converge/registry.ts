import type { Scheduler } from "../spec/cells.ts";
import type { CellAddress } from "./address.ts";
import { ConvergeError } from "./errors.ts";
import { type Session, withCronSession } from "./session.ts";

/** What the registry in the cron database says of a merchant. */
export interface RegistryEntry {
  readonly database: string;
  readonly jobRole: string;
  readonly suspended: boolean;
  readonly scheduler: Scheduler;
  /** How far it is dropped; undefined while it is a merchant. */
  readonly dropping: DroppingMark | undefined;
}

/**
 * How far a merchant is dropped: begun, or ready, when its database is shut and was seen to hold what was exported. Only
 * then its crontab may be deleted, with which all the rest goes. In the registry (`dropping_since`) the first is infinity,
 * the second the time.
 */
export type DroppingMark = "begun" | "ready";

/** What a merchant's entry shall say. */
export interface DesiredEntry {
  readonly merchant: string;
  readonly database: string;
  readonly jobRole: string;
  readonly suspended: boolean;
  readonly scheduler: Scheduler;
}

/** The names of the fields that are not as desired; all of them when there is no entry. */
export function planRegistry(desired: DesiredEntry, found: RegistryEntry | undefined): readonly string[] {
  return (["database", "jobRole", "suspended", "scheduler"] as const).filter(
    (field) => found?.[field] !== desired[field],
  );
}

/** Reads a merchant's entry; undefined when there is none. */
export async function readRegistry(session: Session, merchant: string): Promise<RegistryEntry | undefined> {
  const { rows } = await session.query<Omit<RegistryEntry, "dropping"> & { dropping: DroppingMark | null }>(
    `select m.database_name as database, m.job_role as "jobRole", m.suspended, m.scheduler,
       case when pg_catalog.isfinite(m.dropping_since) then 'ready' when m.dropping_since is not null then 'begun' end
         as dropping
     from merchant_jobs.merchants as m where m.merchant = $1::text`,
    [merchant],
  );
  return rows[0] && { ...rows[0], dropping: rows[0].dropping ?? undefined };
}

/**
 * Throws `data_missing` when the registry has a merchant in this database: then an empty one is not new, its data is
 * somewhere else. The entry is written last of all, so an onboarding that was stopped never meets this.
 */
export async function assertNotLost(address: CellAddress, database: string): Promise<void> {
  const found = await withCronSession(address, (session) =>
    session.query<{ merchant: string }>(
      "select m.merchant from merchant_jobs.merchants as m where m.database_name = $1::text",
      [database],
    ),
  );
  const merchant = found.rows[0]?.merchant;
  if (merchant === undefined) return;
  throw new ConvergeError(
    "data_missing",
    `merchant ${merchant} of cell ${address.cell} was onboarded before, and its database ${database} is empty now: ` +
      "nothing was applied. Drop the empty one and bring the old one back under this name (renamed, or restored from a " +
      "backup). To begin anew without the old data, delete its entry in database cron first: " +
      `delete from merchant_jobs.merchants where merchant = '${merchant}'`,
  );
}

/** Throws `name_taken` when the registry has this merchant in another database: another stack on this cell has it. */
export function assertSameDatabase(
  cell: string,
  owner: Pick<DesiredEntry, "merchant" | "database">,
  found?: RegistryEntry,
): void {
  if (found === undefined || found.database === owner.database) return;
  throw new ConvergeError(
    "name_taken",
    `merchant ${owner.merchant} of cell ${cell} is in database ${found.database} already, by another stack or an earlier ` +
      `one, and cannot be in ${owner.database} too; nothing was changed: choose another id, or another cell`,
  );
}

/** Writes a merchant's entry. A mark that it is being dropped stays: taking that back is not a matter of its crontab. */
export async function writeRegistry(session: Session, desired: DesiredEntry): Promise<void> {
  await session.query(
    `insert into merchant_jobs.merchants (merchant, database_name, job_role, suspended, scheduler)
     values ($1::text, $2::text, $3::text, $4::boolean, $5::text)
     on conflict (merchant) do update
     set database_name = excluded.database_name, job_role = excluded.job_role, suspended = excluded.suspended,
       scheduler = excluded.scheduler, changed_at = pg_catalog.clock_timestamp()`,
    [desired.merchant, desired.database, desired.jobRole, desired.suspended, desired.scheduler],
  );
}

/** Takes a merchant out of the registry. */
export async function removeFromRegistry(session: Session, merchant: string): Promise<void> {
  await session.query("delete from merchant_jobs.merchants where merchant = $1::text", [merchant]);
}

/** Marks how far a merchant is dropped, or takes the mark away. */
export async function setDroppingMark(
  session: Session,
  merchant: string,
  mark: DroppingMark | undefined,
): Promise<void> {
  await session.query(
    `update merchant_jobs.merchants
     set dropping_since = case $2::text when 'begun' then 'infinity' when 'ready' then pg_catalog.clock_timestamp() end,
       changed_at = pg_catalog.clock_timestamp()
     where merchant = $1::text`,
    [merchant, mark ?? null],
  );
}
