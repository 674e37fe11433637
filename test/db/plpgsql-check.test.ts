// What PL/pgSQL finds out only when a line is reached: a name that is not there, a type that does not fit, a variable
// that nobody reads. And that each thing says what it is for.
import type pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { installExtension } from "../../local/postgres/apt.ts";
import { onboard, prepareCell, specOf } from "../merchants.ts";
import { dropMerchantLeftovers, freshName, superuserClient, testServer } from "../server.ts";

const prefix = freshName("check");
const ours = "('app'::text, 'merchant_jobs')";
let merchant: pg.Client;
let cron: pg.Client;

beforeAll(async () => {
  await prepareCell();
  const spec = specOf(prefix, { suspended: true });
  await onboard(spec);
  merchant = await superuserClient(spec.database);
  cron = await superuserClient("cron");
  const known = await cron.query("select from pg_available_extensions where name = 'plpgsql_check'");
  if (known.rowCount === 0) {
    const major = Number.parseInt(testServer().postgresVersion, 10);
    await installExtension(major, "plpgsql_check", (line) => process.stderr.write(`test server: ${line}\n`));
  }
});
afterAll(async () => {
  await merchant.end();
  await cron.end();
  await dropMerchantLeftovers(`merchant_${prefix}`);
});

/** What is as it must be. */
const accepted = [
  // All batch functions have the same parameters.
  /^app\.\w+_batch\(.*: unused parameter "p_\w+"$/,
  // Which function a job has is data: app.jobs says it.
  /^app\.call_batch\(.*: cannot determinate a result of dynamic SQL$/,
];

/** Checks every PL/pgSQL routine of ours in a database; a trigger's with each table that it is on. */
async function check(client: pg.Client): Promise<{ readonly checked: number; readonly findings: string[] }> {
  await client.query("begin");
  try {
    await client.query("create extension plpgsql_check schema public");
    const { rows } = await client.query<{ findings: string[] | null }>(
      `select (
         select json_agg(format('%s line %s: %s: %s', p.oid::regprocedure, c.lineno, c.level, c.message))
         from public.plpgsql_check_function_tb(funcoid => p.oid, relid => coalesce(t.tgrelid, 0), fatal_errors => false,
           other_warnings => true, extra_warnings => true, security_warnings => true, performance_warnings => false) as c
       ) as findings
       from pg_proc as p
       join pg_namespace as n on n.oid = p.pronamespace
       join pg_language as l on l.oid = p.prolang
       left join pg_trigger as t on t.tgfoid = p.oid
       where n.nspname in ${ours} and l.lanname = 'plpgsql'`,
    );
    const findings = rows.flatMap((row) => row.findings ?? []);
    return { checked: rows.length, findings: findings.filter((text) => !accepted.some((known) => known.test(text))) };
  } finally {
    await client.query("rollback");
  }
}

test("plpgsql_check finds nothing in the routines of a merchant's database", async () => {
  const { checked, findings } = await check(merchant);
  expect(findings).toEqual([]);
  expect(checked).toBeGreaterThan(20);
});

test("plpgsql_check finds nothing in the routines of the cron database", async () => {
  expect((await check(cron)).findings).toEqual([]);
});

test("plpgsql_check would find an unused variable and a missing column", async () => {
  await merchant.query(
    `create function app.test_bad() returns bigint language plpgsql as $$
     declare v_unused bigint; begin return (select r.no_such_column from app.job_runs as r); end $$`,
  );
  try {
    const { findings } = await check(merchant);
    expect(findings.join("\n")).toMatch(/no_such_column/);
    expect(findings.join("\n")).toMatch(/unused variable "v_unused"/);
  } finally {
    await merchant.query("drop function app.test_bad()");
  }
});

test("every routine, table, view and composite type has a comment", async () => {
  for (const client of [merchant, cron]) {
    const { rows } = await client.query<{ object: string }>(
      `select p.oid::regprocedure::text as object from pg_proc as p
       where p.pronamespace::regnamespace::text in ${ours} and obj_description(p.oid, 'pg_proc') is null
       union all
       select c.oid::regclass::text from pg_class as c
       where c.relnamespace::regnamespace::text in ${ours} and c.relkind in ('r', 'v', 'm', 'p', 'c')
         and coalesce(obj_description(c.oid, 'pg_class'), obj_description(c.reltype, 'pg_type')) is null
       order by 1`,
    );
    expect(rows).toEqual([]);
  }
});
