import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { applyCrontab, deleteCrontab, readCrontab, type CrontabTarget } from "../../../converge/crontab.ts";
import { JOBS } from "../../../spec/jobs.ts";
import type { MerchantSpec } from "../../../spec/merchants.ts";
import { onboard, prepareCell, specOf, targetsOf } from "../../merchants.ts";
import { connectAs, dropMerchantLeftovers, freshName, superuserClient, testServer } from "../../server.ts";

const prefix = freshName("cron");
const JOB_NAMES = Object.keys(JOBS).sort();
let count = 0;
let spec: MerchantSpec;
let target: CrontabTarget;

beforeAll(() => prepareCell());
beforeEach(async () => {
  count += 1;
  spec = specOf(`${prefix}${count}`);
  target = (await onboard(spec)).crontab;
});
afterAll(() => dropMerchantLeftovers(`merchant_${prefix}`));

async function cron<T>(sql: string, values: unknown[] = []): Promise<T[]> {
  const client = await superuserClient("cron");
  try {
    return (await client.query(sql, values)).rows as T[];
  } finally {
    await client.end();
  }
}

/** What is not as declared, in the words of the resource's inputs. */
async function found() {
  const state = await readCrontab(target);
  return state?.jobs;
}

test("a merchant has every job of the catalogue under its job role, active, in its database, and stands in the registry", async () => {
  expect(
    await cron(
      "select jobname, username, database, schedule, command, active from cron.job where database = $1 order by 1",
      [spec.database],
    ),
  ).toEqual(
    [
      ["catch_up", "*/15 * * * *", "CALL app.run_overdue()"],
      ["history_cleanup", "30 3 * * *", "CALL app.cleanup_history()"],
      ["idempotency_cleanup", "0 3 * * *", "CALL app.cleanup_idempotency()"],
      ["lot_expiry", "0 2 * * *", "CALL app.expire_lots()"],
      ["ops_cleanup", "*/5 * * * *", "CALL app.cleanup_expired_operations()"],
    ].map(([job, schedule, command]) => ({
      jobname: `${spec.id}:${job}`,
      username: spec.jobRole,
      database: spec.database,
      schedule,
      command,
      active: true,
    })),
  );
  expect(await applyCrontab(target)).toEqual([]);
  expect(await readCrontab(target)).toMatchObject({ registered: true, suspended: false });
});

test("a suspended merchant's jobs are there and not active, and come back", async () => {
  const suspended = targetsOf({ ...spec, suspended: true }).crontab;
  await applyCrontab(suspended);
  expect(await cron("select distinct active from cron.job where database = $1", [spec.database])).toEqual([
    { active: false },
  ]);
  expect(await readCrontab(target)).toMatchObject({ suspended: true });
  await applyCrontab(target);
  expect(await cron("select distinct active from cron.job where database = $1", [spec.database])).toEqual([
    { active: true },
  ]);
  expect(await applyCrontab(target)).toEqual([]);
});

const job = "update cron.job set % where jobname = $1";
const drift: readonly (readonly [string, string, object])[] = [
  ["another schedule", job.replace("%", "schedule = '5 3 * * *'"), { lot_expiry: { schedule: "5 3 * * *" } }],
  ["another command", job.replace("%", "command = 'select 1'"), { lot_expiry: { command: "select 1" } }],
  ["another database", job.replace("%", "database = 'postgres'"), { lot_expiry: { database: "postgres" } }],
  ["a paused job", job.replace("%", "active = false"), { lot_expiry: { active: false } }],
  ["another user", job.replace("%", "username = 'postgres'"), { "lot_expiry@postgres": { user: "postgres" } }],
];

test.each(drift)("%s is found and healed", async (_what, statement, expected) => {
  await cron(statement, [`${spec.id}:lot_expiry`]);
  expect(await found()).toMatchObject(expected);
  expect(await applyCrontab(target)).not.toEqual([]);
  expect(await applyCrontab(target)).toEqual([]);
  expect(Object.keys((await found()) ?? {}).sort()).toEqual(JOB_NAMES);
});

test("a deleted job is found and scheduled again", async () => {
  await cron("delete from cron.job where jobname = $1", [`${spec.id}:ops_cleanup`]);
  expect(Object.keys((await found()) ?? {}).sort()).toEqual(JOB_NAMES.filter((job) => job !== "ops_cleanup"));
  expect(await applyCrontab(target)).toMatchObject([{ kind: "schedule", name: `${spec.id}:ops_cleanup` }]);
});

test("extra jobs in the merchant's database, of any user, named or not, are found and removed", async () => {
  await cron("select cron.schedule_in_database('mine', '0 1 * * *', 'select 1', $1)", [spec.database]);
  const rows = await cron<{ id: string }>(
    "insert into cron.job (schedule, command, nodename, nodeport, database, username) values ('0 1 * * *', 'select 1', '', 0, $1, $2) returning jobid::text as id",
    [spec.database, spec.jobRole],
  );
  expect(Object.keys((await found()) ?? {}).sort()).toEqual([`#${rows[0]!.id}`, "mine@postgres", ...JOB_NAMES].sort());
  expect((await applyCrontab(target)).map(({ kind }) => kind)).toEqual(["unschedule", "unschedule"]);
  expect(await applyCrontab(target)).toEqual([]);
});

test("another merchant's jobs are not touched", async () => {
  const other = await onboard(specOf(`${spec.id}x`));
  const before = await cron("select * from cron.job where database = $1 order by jobid", [other.crontab.database]);
  await cron("delete from cron.job where database = $1", [spec.database]);
  await applyCrontab(target);
  expect(await cron("select * from cron.job where database = $1 order by jobid", [other.crontab.database])).toEqual(
    before,
  );
});

test("a job that is only called like a merchant's, elsewhere, is nobody's to touch", async () => {
  await cron("select cron.schedule_in_database($1, '0 1 * * *', 'select 1', 'postgres')", [`${spec.id}:report`]);
  expect(await applyCrontab(target)).toEqual([]);
  expect(await cron("select from cron.job where jobname = $1", [`${spec.id}:report`])).toHaveLength(1);
  await cron("select cron.unschedule(jobid) from cron.job where jobname = $1", [`${spec.id}:report`]);
});

test("the same merchant in another database of the cell is refused, and its crontab stays", async () => {
  const before = await cron("select * from cron.job where database = $1 order by jobid", [spec.database]);
  const elsewhere = targetsOf(specOf(spec.id, { database: `${spec.database}_b` })).crontab;
  await expect(readCrontab(elsewhere)).rejects.toMatchObject({ code: "name_taken" });
  expect(await cron("select * from cron.job where database = $1 order by jobid", [spec.database])).toEqual(before);
});

/** Asks the merchant's own database. */
async function engine<T>(sql: string, values: unknown[] = []): Promise<T[]> {
  const client = await superuserClient(spec.database);
  try {
    return (await client.query(sql, values)).rows as T[];
  } finally {
    await client.end();
  }
}

test("the job engine knows every job that has batches, as it is declared", async () => {
  const state = await readCrontab(target);
  expect(state?.engineJobs).toEqual(target.engineJobs);
  expect(Object.keys(state?.engineJobs ?? {}).sort()).toEqual(JOB_NAMES.filter((job) => job !== "catch_up"));
  expect(state?.engineJobs?.["idempotency_cleanup"]).toEqual({
    batchFunction: "app.cleanup_idempotency_batch",
    batchSize: 2000,
    timeLimitSeconds: 600,
    movesMoney: false,
    due: "0 3 * * *",
    timezone: "GMT",
    enabled: true,
    settings: { retentionDays: 7 },
  });
  expect(await engine("select app.last_due('lot_expiry', '2026-03-01 01:59:59+00') as due")).toEqual([
    { due: new Date("2026-02-28T02:00Z") },
  ]);
});

test.each<readonly [string, object]>([
  ["batch_size = 1, time_limit_seconds = 1", { batchSize: 1, timeLimitSeconds: 1 }],
  ["moves_money = false", { movesMoney: false }],
  ["schedule = '0 5 * * *'", { due: "0 5 * * *", dueSchedule: expect.stringContaining('"hours":[2]') as string }],
  ["schedule = null, due_schedule = null", { due: null }],
  [
    `due_schedule = due_schedule || '{"hours": [7]}'`,
    { due: "0 2 * * *", dueSchedule: expect.stringContaining('"hours":[7]') as string },
  ],
  ["timezone = 'Asia/Tokyo'", { timezone: "Asia/Tokyo" }],
  ["enabled = false", { enabled: false }],
  [`settings = '{"retentionDays": 1}'`, { settings: { retentionDays: 1 } }],
])("app.jobs with %s is found and healed", async (change, expected) => {
  await engine(`update app.jobs set ${change} where name = 'lot_expiry'`);
  expect((await readCrontab(target))?.engineJobs?.["lot_expiry"]).toMatchObject(expected);
  await applyCrontab(target);
  expect((await readCrontab(target))?.engineJobs).toEqual(target.engineJobs);
});

test("times before schedule, time zone or enabled changed last do not count as missed, and nothing else moves that", async () => {
  const since = async () => {
    const rows = await engine<{ due_from: string }>(
      "select due_from::text from app.jobs where name = 'lot_expiry' and due_from > now() - interval '1 day'",
    );
    await engine("update app.jobs set due_from = '2001-01-01' where name = 'lot_expiry'");
    return rows.length === 1;
  };
  expect(await since()).toBe(true);
  for (const [moves, line] of [
    [false, {}],
    [false, { jobs: { lot_expiry: { batchSize: 7 } } }],
    [true, { jobs: { lot_expiry: { schedule: "0 4 * * *" } } }],
    [true, { timezone: "Asia/Tokyo", jobs: { lot_expiry: { schedule: "0 4 * * *" } } }],
    [true, { timezone: "Asia/Tokyo", jobs: { lot_expiry: { schedule: "0 4 * * *", enabled: false } } }],
    [true, { timezone: "Asia/Tokyo", jobs: { lot_expiry: { schedule: "0 4 * * *" } } }],
    [true, { timezone: "Asia/Tokyo", suspended: true, jobs: { lot_expiry: { schedule: "0 4 * * *" } } }],
  ] as const) {
    const changed = targetsOf(specOf(spec.id, line)).crontab;
    await applyCrontab(changed);
    expect(await since(), JSON.stringify(line)).toBe(moves);
    expect((await readCrontab(changed))?.engineJobs).toEqual(changed.engineJobs);
  }
});

test("a time zone fires at each of its offsets, and the engine knows local time", async () => {
  const zoned = targetsOf(specOf(spec.id, { timezone: "America/New_York" })).crontab;
  await applyCrontab(zoned);
  expect(await cron("select jobname, schedule from cron.job where database = $1 order by 1", [spec.database])).toEqual([
    { jobname: `${spec.id}:catch_up`, schedule: "*/15 * * * *" },
    { jobname: `${spec.id}:history_cleanup`, schedule: "30 7,8 * * *" },
    { jobname: `${spec.id}:idempotency_cleanup`, schedule: "0 7,8 * * *" },
    { jobname: `${spec.id}:lot_expiry`, schedule: "0 6,7 * * *" },
    { jobname: `${spec.id}:ops_cleanup`, schedule: "*/5 * * * *" },
  ]);
  const due = (now: string) => engine("select app.last_due('lot_expiry', $1) as due", [now]);
  expect(await due("2026-07-01 06:00+00")).toEqual([{ due: new Date("2026-07-01T06:00Z") }]);
  expect(await due("2026-07-01 07:00+00")).toEqual([{ due: new Date("2026-07-01T06:00Z") }]);
  expect(await due("2026-01-15 06:00+00")).toEqual([{ due: new Date("2026-01-14T07:00Z") }]);
  expect(await applyCrontab(zoned)).toEqual([]);
});

test("a time zone that the server does not know is refused by name before anything is written", async () => {
  const before = await cron("select * from cron.job where database = $1 order by jobid", [spec.database]);
  const nowhere = { ...target.engineJobs["lot_expiry"]!, timezone: "Mars/Olympus_Mons" };
  const wrong = { ...target, jobs: {}, engineJobs: { ...target.engineJobs, lot_expiry: nowhere } };
  await expect(applyCrontab(wrong)).rejects.toMatchObject({
    code: "unsupported",
    message: expect.stringContaining("Mars/Olympus_Mons") as string,
  });
  expect(await cron("select * from cron.job where database = $1 order by jobid", [spec.database])).toEqual(before);
  expect((await readCrontab(target))?.engineJobs).toEqual(target.engineJobs);
});

test("the registry's drift is found and healed", async () => {
  await cron("update merchant_jobs.merchants set job_role = 'x' where merchant = $1", [spec.id]);
  expect(await readCrontab(target)).toMatchObject({ registered: false });
  await applyCrontab(target);
  expect(await readCrontab(target)).toMatchObject({ registered: true });
});

test("a crontab of which nothing is left is gone, and one of which the registry knows is not", async () => {
  await cron("delete from cron.job where database = $1", [spec.database]);
  expect(await readCrontab(target)).toMatchObject({ jobs: {} });
  await cron("delete from merchant_jobs.merchants where merchant = $1", [spec.id]);
  expect(await readCrontab(target)).toBeUndefined();
});

test("a schedule that this pg_cron does not have is refused before anything is written; a newer one has it", async () => {
  const seconds = specOf(spec.id, {
    jobs: { lot_expiry: { schedule: "10 seconds" }, ops_cleanup: { schedule: "1 1 1 1 1" } },
  });
  const all = "select * from cron.job where database = $1 order by jobid";
  const before = await cron(all, [spec.database]);
  const applying = applyCrontab(targetsOf(seconds).crontab);
  if (Number(testServer().pgCronVersion) < 1.5) {
    await expect(applying).rejects.toMatchObject({
      code: "unsupported",
      message: expect.stringContaining('lot_expiry: "10 seconds" needs pg_cron 1.5') as string,
    });
    expect(await cron(all, [spec.database])).toEqual(before);
    return;
  }
  await applying;
  expect(await cron(all, [spec.database])).toContainEqual(
    expect.objectContaining({ jobname: `${spec.id}:lot_expiry`, schedule: "10 seconds" }) as object,
  );
  await applyCrontab(target);
});

test("a crontab is deleted only while its merchant is being offboarded", async () => {
  await expect(deleteCrontab(target)).rejects.toMatchObject({ code: "not_offboarding" });
  expect(await cron("select count(*)::int as n from cron.job where database = $1", [spec.database])).toEqual([
    { n: JOB_NAMES.length },
  ]);
  await cron("update merchant_jobs.merchants set dropping_since = now() where merchant = $1", [spec.id]);
  await deleteCrontab(target);
  expect(await readCrontab(target)).toBeUndefined();
  await deleteCrontab(target);
});

test("eight merchants, each by several at once, are converged without one error", async () => {
  const targets = await Promise.all(
    Array.from({ length: 8 }, (_, i) => onboard(specOf(`${spec.id}_${i}`)).then(({ crontab }) => crontab)),
  );
  await cron("delete from cron.job where starts_with(database, $1)", [`merchant_${spec.id}_`]);
  await Promise.all(Array.from({ length: 30 }, (_, i) => applyCrontab(targets[i % 8]!)));
  expect(
    await cron("select count(*)::int as n from cron.job where starts_with(database, $1)", [`merchant_${spec.id}_`]),
  ).toEqual([{ n: 8 * JOB_NAMES.length }]);
});

test("a job role keeps no right to its crontab, and cannot look at it", async () => {
  const client = await superuserClient("cron");
  try {
    await client.query(`grant connect on database cron to ${spec.jobRole}`);
    await client.query(`alter role ${spec.jobRole} password 'for this test' connection limit -1`);
    const role = await connectAs({ user: spec.jobRole, password: "for this test" }, "cron");
    try {
      for (const statement of [
        "select * from cron.job",
        "select cron.schedule('x', '* * * * *', 'select 1')",
        "select cron.unschedule(1)",
        "select cron.alter_job(1, active => false)",
        "select * from merchant_jobs.merchants",
      ]) {
        await expect(role.query(statement), statement).rejects.toMatchObject({ code: "42501" });
      }
    } finally {
      await role.end();
    }
  } finally {
    await client.query(`revoke connect on database cron from ${spec.jobRole}`);
    await client.end();
  }
});

test("a job that left the catalogue leaves the crontab, and catch-up does not run it either", async () => {
  const rest = <T>(jobs: Readonly<Record<string, T>>) =>
    Object.fromEntries(Object.entries(jobs).filter(([name]) => name !== "lot_expiry"));
  await applyCrontab({ ...target, jobs: rest(target.jobs), engineJobs: rest(target.engineJobs) });
  expect((await readCrontab(target))?.jobs).not.toHaveProperty("lot_expiry");
  const { lot_expiry: left, ...others } = (await readCrontab(target))?.engineJobs ?? {};
  expect(left).toMatchObject({ enabled: false });
  expect(Object.values(others).every(({ enabled }) => enabled)).toBe(true);
  await applyCrontab(target);
  expect((await readCrontab(target))?.engineJobs?.["lot_expiry"]).toMatchObject({ enabled: true });
});
