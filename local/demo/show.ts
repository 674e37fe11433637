import type { CellAddress } from "../../converge/address.ts";
import { withCronSession, withSession } from "../../converge/session.ts";
import type { MerchantSpec } from "../../spec/merchants.ts";

/** The crontabs of a cell's merchants, as lines of a table. */
export async function crontabTable(address: CellAddress): Promise<readonly string[]> {
  const rows = await withCronSession(address, (session) =>
    session.query<{ name: string; schedule: string; command: string; active: boolean }>(
      `select j.jobname::text as name, j.schedule, j.command, j.active
       from cron.job as j join merchant_jobs.merchants as m on m.database_name = j.database
       order by j.jobname`,
    ),
  );
  return table(
    ["job", "schedule", "command", "active"],
    rows.rows.map((row) => [row.name, row.schedule, row.command, row.active ? "yes" : "no"]),
  );
}

/** The jobs of the merchants as the runner reads them, as lines of a table. */
export async function jobsTable(address: CellAddress, merchants: readonly MerchantSpec[]): Promise<readonly string[]> {
  const rows: string[][] = [];
  for (const { id, database } of merchants) {
    const found = await withSession(address, database, (session) =>
      session.query<{ name: string; schedule: string; does: string; enabled: boolean }>(
        `select j.name, coalesce(j.schedule, '') as schedule, j.batch_function as does, j.enabled
         from app.jobs as j order by j.name`,
      ),
    );
    rows.push(...found.rows.map((row) => [`${id}:${row.name}`, row.schedule, row.does, row.enabled ? "yes" : "no"]));
  }
  return table(["job", "schedule", "batches by", "active"], rows);
}

/** The newest run of each job of the merchants, as lines of a table. */
export async function runsTable(address: CellAddress, merchants: readonly MerchantSpec[]): Promise<readonly string[]> {
  const rows: string[][] = [];
  for (const merchant of merchants) {
    const found = await withSession(address, merchant.database, (session) =>
      session.query<Record<"job" | "scheduler" | "status" | "started" | "ms" | "rows", string>>(
        `select distinct on (j.name) j.name as job, r.scheduler, r.status,
           to_char(r.started_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS') as started,
           round(extract(epoch from r.finished_at - r.started_at) * 1000)::text as ms, r.affected_rows::text as rows
         from app.job_runs as r join app.jobs as j on j.job_id = r.job_id
         where r.status <> 'skipped'
         order by j.name, r.run_id desc`,
      ),
    );
    rows.push(...found.rows.map((r) => [merchant.id, r.job, r.scheduler, r.status, r.started, r.ms, r.rows]));
  }
  return table(["merchant", "job", "by", "status", "started (UTC)", "ms", "rows"], rows);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    `  ${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join("  ")}`.trimEnd();
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)];
}
