import { afterAll, beforeAll, expect, test } from "vitest";
import type pg from "pg";
import type { MerchantSpec } from "../../spec/merchants.ts";
import { onboard, prepareCell, specOf } from "../merchants.ts";
import { connectAs, dropMerchantLeftovers, freshName, superuserClient, waitFor } from "../server.ts";

const prefix = freshName("jobs");
const everyMinute = { schedule: "* * * * *" };
let spec: MerchantSpec;
let client: pg.Client;

beforeAll(async () => {
  await prepareCell();
  // By hand first: pg_cron must not take what these tests have prepared for their own calls.
  spec = specOf(prefix, { suspended: true });
  await onboard(spec);
  client = await superuserClient(spec.database);
});
afterAll(async () => {
  await client.end();
  await dropMerchantLeftovers(`merchant_${prefix}`);
});

const rows = async <T>(sql: string, values: unknown[] = []) => (await client.query(sql, values)).rows as T[];
const lastRun = async (job: string) =>
  (
    await rows<{
      status: string;
      affected_rows: string;
      batches: string;
      error_sqlstate: string | null;
      scheduler: string;
    }>(
      `select r.status, r.affected_rows, r.batches, r.error_sqlstate, r.scheduler from app.job_runs as r
       join app.jobs as j using (job_id) where j.name = $1 order by r.run_id desc limit 1`,
      [job],
    )
  )[0];

async function lot(expires: string, amounts: readonly number[]): Promise<string> {
  const [made] = await rows<{ lot_id: string }>(
    "insert into app.lots (account, expires_at) values ('a', now() + $1::interval) returning lot_id",
    [expires],
  );
  for (const amount of amounts) {
    await rows("insert into app.ledger_entries (lot_id, kind, amount_minor) values ($1, $2, $3)", [
      made!.lot_id,
      amount > 0 ? "grant" : "spend",
      amount,
    ]);
  }
  return made!.lot_id;
}
const balance = async (id: string) =>
  Number(
    (await rows<{ sum: string }>("select sum(amount_minor) from app.ledger_entries where lot_id = $1", [id]))[0]!.sum,
  );

test("expire_lots debits what is left of due lots to exactly 0, once, and leaves the others", async () => {
  const due = await lot("-1 hour", [1000, -300]);
  const empty = await lot("-1 hour", [100, -100]);
  const later = await lot("1 hour", [500]);
  await client.query("call app.expire_lots()");
  expect(await lastRun("lot_expiry")).toEqual({
    status: "succeeded",
    affected_rows: "2",
    batches: "1",
    error_sqlstate: null,
    scheduler: "manual",
  });
  await client.query("call app.expire_lots()");
  expect([await balance(due), await balance(empty), await balance(later)]).toEqual([0, 0, 500]);
  expect(
    await rows("select kind, amount_minor from app.ledger_entries where lot_id = $1 order by entry_id desc limit 1", [
      due,
    ]),
  ).toEqual([{ kind: "expiry", amount_minor: "-700" }]);
});

test("a run goes in batches that commit, and a failed one keeps its batches and its row", async () => {
  await rows("update app.jobs set batch_size = 2 where name = 'lot_expiry'");
  const lots: string[] = [];
  for (const hours of [10, 9, 8, 7, 6]) lots.push(await lot(`-${hours} hours`, [100]));
  await rows(
    `create function app.fail_late() returns trigger language plpgsql as $$ begin
       if new.kind = 'expiry' and new.lot_id = ${lots[4]!} then raise exception 'no' using errcode = '53100'; end if; return new; end $$`,
  );
  await rows(
    "create trigger fail_late before insert on app.ledger_entries for each row execute function app.fail_late()",
  );
  await expect(client.query("call app.expire_lots()")).rejects.toMatchObject({ code: "53100" });
  expect(await lastRun("lot_expiry")).toMatchObject({
    status: "failed",
    affected_rows: "4",
    batches: "2",
    error_sqlstate: "53100",
  });
  await rows("drop trigger fail_late on app.ledger_entries");
  await rows("drop function app.fail_late()");
  await client.query("call app.expire_lots()");
  expect(await lastRun("lot_expiry")).toMatchObject({ status: "succeeded", affected_rows: "1" });
  for (const id of lots) expect(await balance(id)).toBe(0);
});

test("a cancelled run leaves its claim to no one: the very next run goes", async () => {
  const locker = await superuserClient(spec.database);
  const runner = await superuserClient(spec.database);
  try {
    const id = await lot("-1 hour", [100]);
    await locker.query("begin");
    await locker.query("select from app.lots where lot_id = $1 for update", [id]);
    const run = runner.query("call app.expire_lots()").then(
      () => undefined,
      (error: unknown) => error,
    );
    const pid = await waitFor(
      async () =>
        (
          await rows<{ pid: number }>(
            "select pid from pg_stat_activity where query = 'call app.expire_lots()' and wait_event_type = 'Lock'",
          )
        )[0]?.pid,
      { what: "the run waits for the lot" },
    );
    await client.query("call app.expire_lots()");
    expect(await lastRun("lot_expiry")).toMatchObject({ status: "skipped" });
    await rows("select pg_cancel_backend($1)", [pid]);
    expect(await run).toMatchObject({ code: "57014" });
    expect(
      await rows(
        "select status, error_sqlstate from app.job_runs where backend_pid = $1 order by run_id desc limit 1",
        [pid],
      ),
    ).toEqual([{ status: "failed", error_sqlstate: "57014" }]);
    await locker.query("rollback");
    await client.query("call app.expire_lots()");
    expect(await lastRun("lot_expiry")).toMatchObject({ status: "succeeded", affected_rows: "1" });
  } finally {
    await locker.end();
    await runner.end();
  }
});

test("a run whose session was terminated becomes abandoned, and the next one goes", async () => {
  const locker = await superuserClient(spec.database);
  const runner = await superuserClient(spec.database);
  try {
    const id = await lot("-1 hour", [100]);
    await locker.query("begin");
    await locker.query("select from app.lots where lot_id = $1 for update", [id]);
    const run = runner.query("call app.expire_lots()").catch(() => undefined);
    const pid = await waitFor(
      async () =>
        (
          await rows<{ pid: number }>(
            "select pid from pg_stat_activity where query = 'call app.expire_lots()' and wait_event_type = 'Lock'",
          )
        )[0]?.pid,
      { what: "the run waits for the lot" },
    );
    await rows("select pg_terminate_backend($1)", [pid]);
    await run;
    await locker.query("rollback");
    await waitFor(async () => (await rows("select from pg_stat_activity where pid = $1", [pid])).length === 0, {
      what: "the backend is gone",
    });
    await client.query("call app.expire_lots()");
    expect(await rows("select status from app.job_runs where backend_pid = $1", [pid])).toContainEqual({
      status: "abandoned",
    });
    expect(await lastRun("lot_expiry")).toMatchObject({ status: "succeeded", affected_rows: "1" });
  } finally {
    await locker.end();
    await runner.end().catch(() => undefined);
  }
});

test("a run out of time stops between two batches, says so, and the next one goes on", async () => {
  await rows("update app.jobs set batch_size = 1, time_limit_seconds = 1 where name = 'lot_expiry'");
  const lots = [await lot("-1 hour", [100]), await lot("-1 hour", [100]), await lot("-1 hour", [100])];
  await rows(
    `create function app.slow() returns trigger language plpgsql as $$ begin perform pg_sleep(1.1); return new; end $$`,
  );
  await rows(
    "create trigger slow before insert on app.ledger_entries for each row when (new.kind = 'expiry') execute function app.slow()",
  );
  await client.query("call app.expire_lots()");
  expect(await lastRun("lot_expiry")).toMatchObject({ status: "succeeded", affected_rows: "1" });
  expect(await rows("select more from app.job_runs order by run_id desc limit 1")).toEqual([{ more: true }]);
  await rows("drop trigger slow on app.ledger_entries");
  await rows("update app.jobs set batch_size = 2000, time_limit_seconds = 3600 where name = 'lot_expiry'");
  await client.query("call app.expire_lots()");
  for (const id of lots) expect(await balance(id)).toBe(0);
});

test("a spend that holds the lot first wins, the expiry takes what is left, and a later spend is refused", async () => {
  await rows(`alter role ${spec.appRole} password 'for this test'`);
  const application = await connectAs({ user: spec.appRole, password: "for this test" }, spec.database);
  const runner = await superuserClient(spec.database);
  try {
    const id = await lot("1 hour", [1000]);
    await application.query("begin");
    await application.query("select app.spend($1, 400)", [id]);
    const late = await superuserClient(spec.database);
    const moved = late.query("update app.lots set expires_at = now() - interval '1 hour' where lot_id = $1", [id]);
    await waitFor(
      async () =>
        (
          await rows(
            "select from pg_stat_activity where query like 'update app.lots set expires_at%' and wait_event_type = 'Lock'",
          )
        ).length > 0,
      { what: "the update waits for the spend" },
    );
    await application.query("commit");
    await moved;
    await late.end();
    await runner.query("call app.expire_lots()");
    expect(await balance(id)).toBe(0);
    await expect(application.query("select app.spend($1, 1)", [id])).rejects.toMatchObject({ code: "MJ006" });
  } finally {
    await application.end();
    await runner.end();
  }
});

test("an expiry waits for a session that holds the lot, and sees what that one wrote", async () => {
  const holder = await superuserClient(spec.database);
  const runner = await superuserClient(spec.database);
  try {
    const id = await lot("-1 hour", [1000]);
    await holder.query("begin");
    await holder.query("select from app.lots where lot_id = $1 for update", [id]);
    await holder.query("insert into app.ledger_entries (lot_id, kind, amount_minor) values ($1, 'spend', -400)", [id]);
    const run = runner.query("call app.expire_lots()");
    await waitFor(
      async () =>
        (await rows("select from pg_stat_activity where query = 'call app.expire_lots()' and wait_event_type = 'Lock'"))
          .length > 0,
      { what: "the run waits for the lot" },
    );
    await holder.query("commit");
    await run;
    expect(await balance(id)).toBe(0);
  } finally {
    await holder.end();
    await runner.end();
  }
});

test("nobody goes on with a run but the statement that began it", async () => {
  await expect(client.query("select app.run_batch(1)")).rejects.toMatchObject({ code: "MJ002" });
  await expect(client.query("select app.fail_run(1, '00000', 'x')")).rejects.toMatchObject({ code: "MJ002" });
  await expect(client.query("call app.run_job('nope')")).rejects.toMatchObject({ code: "MJ001" });
});

test("pg_cron itself runs the three jobs: a lot is debited to 0, an operation closed, an old key gone, each with its row", async () => {
  const running = specOf(`${prefix}x`, {
    jobs: { lot_expiry: everyMinute, ops_cleanup: everyMinute, idempotency_cleanup: everyMinute },
  });
  await onboard(running);
  const own = await superuserClient(running.database);
  try {
    await own.query("begin");
    await own.query(
      "insert into app.lots (account, expires_at) values ('a', now() - interval '1 day'), ('b', now() + interval '1 day')",
    );
    await own.query(
      "insert into app.operations (lot_id, held_minor, expires_at) values (2, 40, now() - interval '1 hour')",
    );
    await own.query(
      `insert into app.ledger_entries (lot_id, operation_id, kind, amount_minor)
       values (1, null, 'grant', 1000), (1, null, 'spend', -300), (2, null, 'grant', 500), (2, 1, 'hold', -40)`,
    );
    await own.query(
      `insert into app.idempotency_keys (key, state, created_at, finished_at) values
         ('old', 'succeeded', now() - interval '9 days', now() - interval '8 days'),
         ('new', 'succeeded', now(), now()), ('working', 'in_progress', now() - interval '1 year', null)`,
    );
    await own.query("commit");
    const seen = await waitFor(
      async () => {
        const { rows: found } = await own.query<{ name: string; affected: string }>(
          `select j.name, sum(r.affected_rows) as affected from app.job_runs as r join app.jobs as j using (job_id)
           where r.status = 'succeeded' and r.scheduler = 'pg_cron' group by j.name having sum(r.affected_rows) > 0 order by 1`,
        );
        return found.length === 3 ? found : undefined;
      },
      { what: "pg_cron has run the three jobs", timeoutMs: 100_000 },
    );
    expect(seen).toEqual([
      { name: "idempotency_cleanup", affected: "1" },
      { name: "lot_expiry", affected: "1" },
      { name: "ops_cleanup", affected: "1" },
    ]);
    expect(
      (await own.query("select lot_id, sum(amount_minor) from app.ledger_entries group by 1 order by 1")).rows,
    ).toEqual([
      { lot_id: "1", sum: "0" },
      { lot_id: "2", sum: "500" },
    ]);
    expect((await own.query("select state from app.operations")).rows).toEqual([{ state: "expired" }]);
    expect((await own.query("select key from app.idempotency_keys order by 1")).rows).toEqual([
      { key: "new" },
      { key: "working" },
    ]);
  } finally {
    await own.end();
  }
});
