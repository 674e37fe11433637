// What docs/ tells to do is done, as it stands there.
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import { applyMigrations, readMigrations } from "../../../converge/migrations.ts";
import { batchFunctionOf, type JobDefinition } from "../../../spec/jobs.ts";
import type { MerchantSpec } from "../../../spec/merchants.ts";
import { parseSchedule } from "../../../spec/schedule.ts";
import { blocksOf } from "../../docs.ts";
import { JobsDatabase } from "../../jobs/database.ts";
import { filesOf, onboard, prepareCell, specOf, sqlRoot, targetsOf, testCell } from "../../merchants.ts";
import { adminClient, dropMerchantLeftovers, freshName } from "../../server.ts";

const prefix = freshName("docs");
let spec: MerchantSpec;
let db: JobsDatabase;

beforeAll(async () => {
  await prepareCell();
  spec = specOf(prefix, { suspended: true });
  await onboard(spec);
  db = await JobsDatabase.open(spec.database);
});
afterAll(async () => {
  await db.close();
  await dropMerchantLeftovers(`merchant_${prefix}`);
});

test("queries.md: every query for a merchant's database runs, and what is in it is shown", async () => {
  const [bad] = await db.dueLots(3);
  await db.poison([bad!], "P0001");
  const admin = await adminClient(spec.database);
  try {
    for (const statement of blocksOf("queries.md", "by-hand")) await admin.query(statement);
    const answers: Record<string, unknown>[][] = [];
    for (const query of blocksOf("queries.md", "merchant")) {
      answers.push((await admin.query<Record<string, unknown>>(query)).rows);
    }
    expect(answers).toHaveLength(8);
    const [health, needed, recent, , , quarantine] = answers;
    const lots = (rows: Record<string, unknown>[] | undefined) => rows?.filter(({ job }) => job === "lot_expiry");
    expect(lots(health)?.map(({ quarantined }) => quarantined)).toEqual(lots(needed)?.map(() => "1"));
    expect(lots(recent)).toMatchObject([{ status: "succeeded", affected_rows: "2" }]);
    expect(quarantine).toMatchObject([{ job: "lot_expiry", item: bad, error_sqlstate: "P0001" }]);
  } finally {
    await admin.end();
    await db.heal();
  }
});

test("runbook/troubles.md: every statement that only looks runs as the administrator, and names who holds a lock", async () => {
  const page = path.join("runbook", "troubles.md");
  const inCron = [
    "overdue-look-cron",
    "database-look",
    "cell-unseen-look",
    "connections-look",
    "launcher-look",
    "rescued-look",
  ];
  const inOwn = ["overdue-over", "zone-look", "failed-look", "full-look", "quarantine-look", "behind-look"];
  const [admin, cron] = [await adminClient(spec.database), await adminClient("cron")];
  const { client: holder } = await db.session();
  try {
    for (const mark of inCron) await cron.query(blocksOf(page, mark)[0]!);
    for (const mark of inOwn) await admin.query(blocksOf(page, mark)[0]!);
    await holder.query("begin");
    await holder.query("lock table app.lots in access exclusive mode");
    // Nobody waits for it at this moment.
    expect((await admin.query(blocksOf(page, "merchant-unseen-look")[0]!)).rows).toContainEqual(
      expect.objectContaining({ waits_for: [], holds: "app.lots AccessExclusiveLock" }),
    );
  } finally {
    await Promise.all([holder.query("rollback"), admin.end(), cron.end()]);
  }
});

test("queries.md: every query for the cron database runs", async () => {
  const admin = await adminClient("cron");
  try {
    const queries = blocksOf("queries.md", "cron");
    expect(queries.length).toBeGreaterThan(0);
    for (const query of queries) await admin.query(query);
  } finally {
    await admin.end();
  }
});

test("add-a-job.md: its files converge, and the job that they make does what the page says", async () => {
  const root = mkdtempSync(path.join(tmpdir(), "a job more "));
  try {
    cpSync(sqlRoot, root, { recursive: true });
    const ledger = path.join(root, "merchant", "ledger");
    writeFileSync(
      path.join(ledger, "migrations", "003_create_login_sessions.sql"),
      blocksOf("add-a-job.md", "migration")[0] ?? "",
    );
    writeFileSync(
      path.join(ledger, "routines", "cleanup_login_sessions.sql"),
      blocksOf("add-a-job.md", "routine")[0] ?? "",
    );
    const target = targetsOf(spec, testCell(), root).migrations;
    await applyMigrations(target, filesOf(target));
    expect((await readMigrations(target))?.differs).toEqual({});

    const [[name, entry] = []] = Object.entries(
      parse(`{${blocksOf("add-a-job.md", "entry")[0] ?? ""}}`) as Record<string, JobDefinition>,
    );
    if (name === undefined || entry?.batches === undefined) throw new Error("the page has no entry of the catalogue");
    const { batchSize, timeLimitSeconds, settings } = entry.batches;
    expect(parseSchedule(entry.schedule).kind).not.toBe("problem");
    const command = `CALL ${entry.procedure}()`;
    await db.rows(
      `insert into app.jobs (name, batch_function, batch_size, time_limit_seconds, settings) values ($1, $2, $3, $4, $5)`,
      [name, batchFunctionOf(command), batchSize, timeLimitSeconds, settings],
    );
    await db.rows(
      `insert into app.login_sessions (last_used_at)
       select clock_timestamp() - n * interval '10 days' - interval '1 minute' from generate_series(0, 9) as n`,
    );
    await db.setJob({ batchSize: 3 }, name);
    await db.rows(command);
    expect(await db.runs(name)).toMatchObject([{ status: "succeeded", affected: 7, batches: 3, more: false }]);
    expect(await db.rows("select count(*)::int as left from app.login_sessions")).toEqual([{ left: 3 }]);
    await db.rows(command);
    expect(await db.lastRun(name)).toMatchObject({ status: "succeeded", affected: 0 });
  } finally {
    rmSync(root, { recursive: true });
  }
});
