// Who calls is three kinds of login: pg_cron as the job role, a runner, and a person. What pg_stat_activity shows of
// another role's session is hidden unless the looking function's owner may see it.
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { RUNNER_ROLE } from "../../../runner/config.ts";
import type { MerchantSpec } from "../../../spec/merchants.ts";
import { errorOf, EXPIRE_LOTS, JobsDatabase, type Session } from "../../jobs/database.ts";
import { onboard, prepareCell, specOf } from "../../merchants.ts";
import { adminClient, connectAs, dropMerchantLeftovers, freshName } from "../../server.ts";

const prefix = freshName("roles");
const callers = ["the job role", "a runner", "a person"] as const;
type Caller = (typeof callers)[number];

let spec: MerchantSpec;
let db: JobsDatabase;

beforeAll(async () => {
  await prepareCell();
  spec = specOf(prefix, { suspended: true });
  await onboard(spec);
  db = await JobsDatabase.open(spec.database);
  await db.waitPatiently();
  // Nothing is scheduled, so that only these callers run it; a scheduler is held back from a job that is disabled.
  await db.rows("update app.jobs set enabled = true");
  await db.rows(`alter role ${spec.jobRole} password 'for this test' connection limit -1`);
  await db.rows(`create role ${spec.jobRole}_runner login password 'for this test' in role ${spec.jobRole}`);
});
afterEach(async () => {
  await db.closeSessions();
});
afterAll(async () => {
  await db.close();
  await dropMerchantLeftovers(`merchant_${prefix}`);
});

async function sessionOf(caller: Caller): Promise<Session> {
  // The administrator is the person: a member of the owner role, and no superuser.
  if (caller === "a person") return await db.keep(await adminClient(spec.database));
  const user = caller === "a runner" ? `${spec.jobRole}_runner` : spec.jobRole;
  const session = await db.keep(await connectAs({ user, password: "for this test" }, spec.database));
  if (caller === "a runner") await session.client.query("set application_name = 'merchant-jobs runner test'");
  return session;
}

test.for(callers)("a claim held by %s is alive to the other two", async (holder) => {
  await db.rows("delete from app.job_runs");
  const [lot] = await db.dueLots(1);
  const lock = await db.holdLot(lot!);
  const running = await sessionOf(holder);
  const run = errorOf(running.client.query(EXPIRE_LOTS));
  await db.untilWaiting(running);
  for (const other of callers.filter((caller) => caller !== holder)) {
    const looking = await sessionOf(other);
    await looking.client.query("set statement_timeout = '20s'");
    await looking.client.query(EXPIRE_LOTS);
    expect(await db.lastRun(), other).toMatchObject({
      ...{ status: "skipped", pid: looking.pid, scheduler: other === "a runner" ? "runner" : "manual" },
    });
  }
  await lock.client.query("rollback");
  expect(await run).toBeUndefined();
  expect((await db.runs()).map(({ status }) => status)).toEqual(["succeeded", "skipped", "skipped"]);
});

test.for(callers)("a claim left by %s in a session that stays open is dead to the other two", async (holder) => {
  for (const other of callers.filter((caller) => caller !== holder)) {
    await db.rows("delete from app.job_runs");
    const left = await sessionOf(holder);
    await left.client.query("select app.attempt_run('lot_expiry', null)");
    await db.untilIdle(left);
    const looking = await sessionOf(other);
    await looking.client.query(EXPIRE_LOTS);
    expect(await db.runs(), other).toMatchObject([
      { status: "abandoned", pid: left.pid },
      { status: "succeeded", pid: looking.pid },
    ]);
  }
});

test("the job role runs what is overdue", async () => {
  await db.rows("delete from app.job_runs");
  await db.rows(
    `update app.jobs set due_from = '-infinity', schedule = '0 0 1 * *', due_schedule =
       '{"minutes": [0], "hours": [0], "daysOfMonth": [1], "months": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
         "daysOfWeek": [0, 1, 2, 3, 4, 5, 6], "domStar": false, "dowStar": true, "lastDayOfMonth": false}',
       enabled = true where name = 'lot_expiry'`,
  );
  const job = await sessionOf("the job role");
  await job.client.query("call app.run_overdue()");
  expect(await db.runs()).toMatchObject([{ status: "succeeded", pid: job.pid }]);
});

test("the job role has the procedures and three functions, and no table", async () => {
  const functions = await db.rows<{ name: string }>(
    `select p.oid::regprocedure::text as name from pg_proc as p
     where p.pronamespace = 'app'::regnamespace and p.prokind = 'f' and has_function_privilege($1, p.oid, 'execute')
     order by 1`,
    [spec.jobRole],
  );
  expect(functions.map(({ name }) => name)).toEqual([
    "app.attempt_run(text,timestamp with time zone)",
    "app.fail_run(bigint,text,text)",
    "app.run_batch(bigint)",
  ]);
  expect(await proceduresOf(spec.jobRole)).toEqual([
    "app.cleanup_expired_operations()",
    "app.cleanup_history()",
    "app.cleanup_idempotency()",
    "app.expire_lots()",
    "app.find_overdue(text[],text,timestamp with time zone)",
    "app.run_job(text,timestamp with time zone)",
    "app.run_once(text,timestamp with time zone,text,text)",
    "app.run_overdue()",
  ]);
  const relations = await db.rows(
    `select c.oid::regclass::text as name from pg_class as c
     where c.relnamespace = 'app'::regnamespace and c.relkind in ('r', 'v')
       and (has_any_column_privilege($1, c.oid, 'select') or has_any_column_privilege($1, c.oid, 'insert')
         or has_any_column_privilege($1, c.oid, 'update') or has_table_privilege($1, c.oid, 'delete'))`,
    [spec.jobRole],
  );
  expect(relations).toEqual([]);
});

test("the runner has the engine's procedures, and of a claim no more than since when it is", async () => {
  expect(await proceduresOf(RUNNER_ROLE)).toEqual([
    "app.find_overdue(text[],text,timestamp with time zone)",
    "app.run_job(text,timestamp with time zone)",
    "app.run_once(text,timestamp with time zone,text,text)",
    "app.run_overdue()",
  ]);
  const functions = await db.rows<{ name: string }>(
    `select p.oid::regprocedure::text as name from pg_proc as p
     where p.pronamespace = 'app'::regnamespace and p.prokind = 'f' and has_function_privilege($1, p.oid, 'execute')
     order by 1`,
    [RUNNER_ROLE],
  );
  expect(functions.map(({ name }) => name)).toEqual([
    "app.attempt_run(text,timestamp with time zone)",
    "app.fail_run(bigint,text,text)",
    "app.knows_zone(text)",
    "app.last_due(text,timestamp with time zone)",
    "app.last_due_of(jsonb,text,timestamp with time zone)",
    "app.overdue_since(text,timestamp with time zone)",
    "app.run_batch(bigint)",
    "app.running_since(bigint)",
  ]);
});

test.for(["the job role", "a runner"] as const)("%s cannot write a row that says what it likes", async (caller) => {
  const { client } = await sessionOf(caller);
  for (const call of [
    "call app.fail_claim('lot_expiry', null, 'XX000', 'made up')",
    "do $$ begin call app.fail_claim('lot_expiry', null, 'XX000', 'made up'); end $$",
  ]) {
    expect(await errorOf(client.query(call)), call).toMatchObject({ code: "42501" });
  }
});

async function proceduresOf(role: string): Promise<readonly string[]> {
  const found = await db.rows<{ name: string }>(
    `select p.oid::regprocedure::text as name from pg_proc as p
     where p.pronamespace = 'app'::regnamespace and p.prokind = 'p' and has_function_privilege($1, p.oid, 'execute')
     order by 1`,
    [role],
  );
  return found.map(({ name }) => name);
}
