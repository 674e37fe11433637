import type pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { applyAccess } from "../../converge/access.ts";
import { adoptDatabase } from "../../converge/adoption.ts";
import { readAdoptableJobs, removeAdopted } from "../../converge/adoption-jobs.ts";
import { applyCrontab } from "../../converge/crontab.ts";
import { applyMigrations, readMigrations } from "../../converge/migrations.ts";
import { JOBS } from "../../spec/jobs.ts";
import { grantTo, makeByHand } from "../hand-made.ts";
import { valueOf } from "../ledger.ts";
import { filesOf, prepareCell, specOf, targetsOf } from "../merchants.ts";
import { dropMerchantLeftovers, freshName, superuserClient } from "../server.ts";

const id = freshName("byhand");
const spec = specOf(id, { database: id });
const targets = targetsOf(spec);
const target = {
  ...targets.migrations,
  merchant: id,
  procedures: Object.values(JOBS).map(({ procedure }) => procedure),
};
let client: pg.Client;
let cron: pg.Client;

beforeAll(async () => {
  await prepareCell();
  await makeByHand(spec);
  client = await superuserClient(id);
  cron = await superuserClient("cron");
  await cron.query(grantTo(spec));
});
afterAll(async () => {
  await client.end();
  await cron.end();
  await dropMerchantLeftovers(id);
});

const rowsOf = (table: string, columns = "t.*") =>
  valueOf<unknown[]>(
    client,
    `select jsonb_agg(to_jsonb(r) order by r::text) from (select ${columns} from ${table} as t) as r`,
  );
const everyRow = async (runs: string) => ({
  runs: await rowsOf(runs),
  lots: await rowsOf("app.lots", "t.lot_id, t.account, t.expires_at, t.expired_at, t.created_at"),
  entries: await rowsOf("app.ledger_entries"),
  operations: await rowsOf("app.operations"),
  keys: await rowsOf("app.idempotency_keys"),
});

test("a job that is of nobody's catalogue stops an adoption by name", async () => {
  await cron.query("select cron.schedule_in_database('vacuum', '0 4 * * *', 'VACUUM app.lots', $1)", [id]);
  await expect(readAdoptableJobs(targets.crontab)).rejects.toMatchObject({
    code: "not_adopted",
    message: expect.stringMatching(/#\d+ \(vacuum, \S+\): VACUUM app\.lots/) as string,
  });
  await cron.query("select cron.unschedule('vacuum')");
});

test.for<readonly [string, string, readonly string[]]>([
  ["somebody else's table", "alter table app.lots owner to current_user", ["alter table app.lots owner to"]],
  [
    "columns of another form, all at once,",
    "alter table app.lots alter account type varchar(10); alter table app.operations drop column closed_at",
    ["column app.lots.account: text => character varying(10)", "column app.operations.closed_at: gone"],
  ],
  ["a missing table", "drop table app.idempotency_keys", ["table app.idempotency_keys, which is not"]],
  [
    "a view of the application that calls a function which has to go",
    "create view public.left_over as select app.expire_lots() as n",
    ["2BP01", "left_over", "drop what depends on it"],
  ],
  ["rows that a check forbids", "update app.operations set state = 'lost'", ["operations_closed", "23514"]],
])("%s refuses the adoption by name, and nothing is changed", async ([, damage, said]) => {
  await client.query(damage);
  try {
    const refused: unknown = await adoptDatabase(target).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: "not_adopted" });
    for (const text of said) expect((refused as Error).message).toContain(text);
    const functions = "select count(*) from pg_proc where proname = 'expire_lots' and prokind = 'f'";
    expect(await valueOf(client, functions)).toBe("1");
    expect(await valueOf(client, "select to_regnamespace('merchant_jobs') is null")).toBe(true);
  } finally {
    await repair();
  }
});

/** The tables as they were made by hand. */
async function repair(): Promise<void> {
  await client.query(`
    drop view if exists public.left_over;
    alter table app.lots owner to ${spec.ownerRole};
    alter table app.lots alter account type text;
    alter table app.operations add column if not exists closed_at timestamptz;
    update app.operations set state = 'open' where state = 'lost';
    create table if not exists app.idempotency_keys (
      key text primary key, state text not null default 'in_progress', response jsonb,
      created_at timestamptz not null default now(), finished_at timestamptz
    );
    alter table app.idempotency_keys owner to ${spec.ownerRole};
    insert into app.idempotency_keys (key, state, finished_at) values ('k1', 'succeeded', now() - interval '9 days'),
      ('k2', 'failed', now()) on conflict do nothing`);
}

test("it is adopted with every row, converges, and has no drift; its jobs are the catalogue's and run", async () => {
  const before = await everyRow("app.job_runs");
  const jobs = await readAdoptableJobs(targets.crontab);
  expect(jobs.map(({ job }) => job).sort()).toEqual(["idempotency_cleanup", "lot_expiry", "ops_cleanup"]);
  const said = [...(await adoptDatabase(target)), ...(await removeAdopted(targets.crontab, jobs))].join("\n");
  for (const text of [
    "dropped the function app.expire_lots()",
    "kept the old table app.job_runs as before_merchant_jobs.job_runs",
    "applied engine/migrations/001_create_job_engine.sql",
    "for what ledger/migrations/002_create_ledger.sql makes",
    "copied 4 rows of it into app.job_runs, those of weekly_report as runs of jobs that are switched off",
    "nightly expiry (15 1 * * *, SELECT app.expire_lots()) out of the crontab: up schedules lot_expiry",
  ])
    expect(said).toContain(text);
  expect(await everyRow("before_merchant_jobs.job_runs")).toEqual(before);
  expect(
    (
      await client.query(
        `select j.name, r.status, r.started_at, r.affected_rows, r.error from app.job_runs as r join app.jobs as j using (job_id)
         order by r.started_at`,
      )
    ).rows,
  ).toEqual([
    {
      name: "lot_expiry",
      status: "succeeded",
      started_at: new Date("2026-01-01T02:00Z"),
      affected_rows: "12",
      error: null,
    },
    {
      name: "lot_expiry",
      status: "failed",
      started_at: new Date("2026-01-02T02:00Z"),
      affected_rows: "0",
      error: "deadlock detected",
    },
    {
      name: "ops_cleanup",
      status: "succeeded",
      started_at: new Date("2026-01-02T03:00Z"),
      affected_rows: "0",
      error: null,
    },
    {
      name: "weekly_report",
      status: "abandoned",
      started_at: new Date("2026-01-03T03:00Z"),
      affected_rows: "0",
      error: null,
    },
  ]);
  expect(await adoptDatabase(target)).toEqual([]);

  await applyAccess(targets.access, { fresh: true });
  const applied = await applyMigrations(targets.migrations, filesOf(targets.migrations));
  expect(applied.filter((name) => name.includes("/migrations/"))).toEqual([]);
  await applyCrontab(targets.crontab);
  expect((await readMigrations(targets.migrations))?.differs).toEqual({});
  expect(await applyMigrations(targets.migrations, filesOf(targets.migrations))).toEqual([]);
  expect(await applyCrontab(targets.crontab)).toEqual([]);
  expect((await everyRow("before_merchant_jobs.job_runs")).entries).toEqual(before.entries);
  const crontab = await cron.query("select jobname, username from cron.job where database = $1 order by 1", [id]);
  expect(crontab.rows).toEqual(
    Object.keys(JOBS)
      .sort()
      .map((job) => ({ jobname: `${id}:${job}`, username: spec.jobRole })),
  );

  // What was somebody's own stays, and is no drift; what the migrations add is there.
  expect(await valueOf(client, "select to_regclass('app.lots_by_account') is not null")).toBe(true);
  await expect(client.query("delete from app.ledger_entries")).rejects.toMatchObject({ code: "MJ003" });
  await client.query("call app.expire_lots()");
  await client.query("call app.cleanup_expired_operations()");
  await client.query("call app.cleanup_idempotency()");
  expect(await valueOf(client, "select count(*) from app.lots where expired_at is not null")).toBe("3");
  expect(await rowsOf("app.idempotency_keys", "t.key")).toEqual([{ key: "k2" }]);
});
