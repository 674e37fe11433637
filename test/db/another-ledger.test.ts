// The reference ledger is a folder that a user replaces: engine and converge know no table of it.
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { applyCrontab, type CrontabTarget } from "../../converge/crontab.ts";
import { applyMigrations, readMigrations } from "../../converge/migrations.ts";
import { filesOf, makeDatabase, prepareCell, specOf, sqlRoot, targetsOf } from "../merchants.ts";
import { dropMerchantLeftovers, freshName, superuserClient } from "../server.ts";

const prefix = freshName("other");
const spec = specOf(prefix, { suspended: true });
const root = mkdtempSync(path.join(tmpdir(), "another ledger "));

beforeAll(async () => {
  await prepareCell();
  cpSync(sqlRoot, root, { recursive: true });
  const ledger = path.join(root, "merchant", "ledger");
  rmSync(ledger, { recursive: true });
  for (const folder of ["migrations", "routines"]) mkdirSync(path.join(ledger, folder), { recursive: true });
  writeFileSync(
    path.join(ledger, "migrations", "002_create_vouchers.sql"),
    "create table app.vouchers (voucher_id bigint generated always as identity primary key, used_at timestamptz);\n",
  );
  writeFileSync(
    path.join(ledger, "routines", "010_drop_vouchers.sql"),
    `create or replace function app.drop_vouchers_batch(
       p_now timestamptz, p_limit bigint, p_cursor jsonb, p_items text[], p_settings jsonb)
     returns app.batch_result language plpgsql security definer set search_path = '' as $$
     declare v_result app.batch_result;
     begin
       if p_items is null then
         select array_agg(v.voucher_id::text order by v.voucher_id), to_jsonb(max(v.voucher_id)), count(*) < p_limit
         into v_result.items, v_result.next_cursor, v_result.done
         from (
           select d.voucher_id from app.vouchers as d
           where d.used_at <= p_now and d.voucher_id > coalesce(p_cursor::bigint, 0) order by 1 limit p_limit
         ) as v;
       else
         delete from app.vouchers where voucher_id = any (p_items::bigint[]) and used_at <= p_now;
         get diagnostics v_result.affected = row_count;
       end if;
       return v_result;
     end; $$;
     create or replace procedure app.drop_vouchers() language plpgsql as $$ begin call app.run_job('voucher_cleanup'); end; $$;
    `,
  );
});
afterAll(async () => {
  rmSync(root, { recursive: true });
  await dropMerchantLeftovers(`merchant_${prefix}`);
});

test("another ledger, with a job of its own, converges and runs", async () => {
  await makeDatabase(spec);
  const target = { ...targetsOf(spec).migrations, root };
  await applyMigrations(target, filesOf(target));
  const schedule = "0 4 * * *";
  const job = { schedule, command: "CALL app.drop_vouchers()", active: false };
  const batches = { batchFunction: "app.drop_vouchers_batch", batchSize: 3, movesMoney: true, timeLimitSeconds: 60 };
  const row = { ...batches, due: schedule, timezone: "GMT", enabled: false, settings: {} };
  const crontab: CrontabTarget = {
    ...targetsOf(spec).crontab,
    jobs: { voucher_cleanup: job },
    engineJobs: { voucher_cleanup: row },
  };
  await applyCrontab(crontab);
  expect(await applyCrontab(crontab)).toEqual([]);
  const client = await superuserClient(spec.database);
  try {
    await client.query("insert into app.vouchers (used_at) select now() from generate_series(1, 7)");
    await client.query("insert into app.vouchers (used_at) values (null)");
    await client.query("call app.drop_vouchers()");
    expect((await client.query("select status, affected_rows, batches from app.job_runs")).rows).toEqual([
      { status: "succeeded", affected_rows: "7", batches: "3" },
    ]);
    expect((await client.query("select count(*)::int as n from app.vouchers")).rows).toEqual([{ n: 1 }]);
  } finally {
    await client.end();
  }
  expect((await readMigrations(target))?.differs).toEqual({});
});

test("neither converge nor the engine's SQL names anything of the reference ledger", () => {
  const tables = /\b(lots|ledger_entries|idempotency_keys|app\.operations)\b/;
  const engine = path.join(sqlRoot, "merchant", "engine");
  const converge = path.join(sqlRoot, "..", "converge");
  const files = [
    path.join(sqlRoot, "merchant", "access.sql"),
    ...[engine, converge].flatMap((folder) =>
      readdirSync(folder, { recursive: true, encoding: "utf8" })
        .filter((name) => /\.(sql|ts)$/.test(name))
        .map((name) => path.join(folder, name)),
    ),
  ];
  expect(files.length).toBeGreaterThan(15);
  expect(files.filter((file) => tables.test(readFileSync(file, "utf8")))).toEqual([]);
});
