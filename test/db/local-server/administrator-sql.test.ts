import { readFile } from "node:fs/promises";
import type pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { adminClient, type OwnServer, startOwnServer, superuserClient } from "../../server.ts";

const file = new URL("../../../sql/server/administrator.sql", import.meta.url);

// A server of its own: the file changes rights that merchants on a shared one change too.
let own: OwnServer;
let superuser: pg.Client;

beforeAll(async () => {
  own = await startOwnServer({});
  superuser = await superuserClient("cron", own.server);
});

afterAll(async () => {
  await superuser.end();
  await own.remove();
});

/** All that administrator.sql decides: access lists of the database, the schema and what is in it, attributes, memberships. */
async function rights(): Promise<unknown> {
  const { rows } = await superuser.query(
    `select
       (select datacl::text from pg_database where datname = 'cron') as database,
       (select nspacl::text from pg_namespace where nspname = 'cron') as schema,
       (select array_agg(oid::regprocedure || ' ' || proacl::text order by oid) from pg_proc
          where pronamespace = 'cron'::regnamespace) as functions,
       (select array_agg(oid::regclass || ' ' || relacl::text order by oid) from pg_class
          where relnamespace = 'cron'::regnamespace and relacl is not null) as tables,
       (select array_agg(roleid::regrole || ' ' || member::regrole || ' ' || admin_option order by roleid, member)
          from pg_auth_members where member = $1::regrole and roleid < 16384) as memberships`,
    [own.server.admin],
  );
  return rows;
}

test("administrator.sql can be run again by a superuser, and changes nothing", async () => {
  const before = await rights();
  await superuser.query(await readFile(file, "utf8"));
  expect(await rights()).toEqual(before);
  const still = await adminClient("cron", own.server);
  await still.end();
});

test("administrator.sql makes an administrator of any name that was set before it", async () => {
  const other = `the other "quoted" one's`;
  const client = await superuserClient("cron", own.server);
  await client.query("begin");
  await client.query("select set_config('merchant_jobs.admin', $1, false)", [other]);
  await client.query(await readFile(file, "utf8"));
  const { rows } = await client.query(
    `select rolcreaterole, rolbypassrls, has_table_privilege(oid, 'cron.job', 'select, delete') as jobs,
       has_database_privilege(oid, 'cron', 'create') as registry from pg_roles where rolname = $1`,
    [other],
  );
  await client.query("rollback");
  await client.end();
  expect(rows).toEqual([{ rolcreaterole: true, rolbypassrls: true, jobs: true, registry: true }]);
});

test.each(["", "runner"])(
  "administrator.sql refuses a database of another purpose, before it made anything (%j)",
  async (set) => {
    const client = await superuserClient("postgres", own.server);
    await client.query("select set_config('merchant_jobs.admin', $1, false)", ["astray"]);
    await client.query("select set_config('merchant_jobs.scheduler', $1, false)", [set]);
    await expect(client.query(await readFile(file, "utf8"))).rejects.toMatchObject({
      code: "55000",
      hint: expect.stringContaining("cron.database_name") as string,
    });
    expect((await client.query("select from pg_roles where rolname = $1", ["astray"])).rowCount).toBe(0);
    await client.end();
  },
);
