import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { adminClient, connectAs, type OwnServer, startOwnServer, superuserClient, waitFor } from "../server.ts";

// A server of its own: these tests grant and revoke on pg_cron's schema, which merchants on a shared one do too.
let own: OwnServer;
let admin: pg.Client;
let superuser: pg.Client;

beforeAll(async () => {
  own = await startOwnServer({});
  admin = await adminClient("cron", own.server);
  superuser = await superuserClient("cron", own.server);
});

afterAll(async () => {
  await admin.end();
  await superuser.end();
  await own.remove();
});

/** The SQLSTATE that a statement ends with, "00000" when it succeeds; what it did is rolled back. */
async function outcome(client: pg.Client, statement: string): Promise<string> {
  await client.query("begin");
  try {
    await client.query(statement);
    return "00000";
  } catch (error) {
    return error instanceof pg.DatabaseError ? (error.code ?? "") : String(error);
  } finally {
    await client.query("rollback");
  }
}

test("the administrator has the attributes of one on RDS, and no more", async () => {
  const { rows } = await superuser.query("select * from pg_roles where rolname = $1", [own.server.admin]);
  expect(rows).toMatchObject([
    {
      rolcanlogin: true,
      rolsuper: false,
      rolcreatedb: true,
      rolcreaterole: true,
      rolbypassrls: true,
      rolreplication: false,
      rolconnlimit: -1,
      rolvaliduntil: null,
      rolconfig: null,
    },
  ]);
  const memberships = await superuser.query(
    `select roleid::regrole::text as role, admin_option from pg_auth_members
     where member = $1::regrole and starts_with(roleid::regrole::text, 'pg_') order by 1`,
    [own.server.admin],
  );
  expect(memberships.rows).toEqual([
    { role: "pg_read_all_settings", admin_option: false },
    { role: "pg_read_all_stats", admin_option: true },
    { role: "pg_signal_backend", admin_option: false },
  ]);
});

test.for([
  "create schema adm_registry",
  "create role adm_job login",
  "create role adm_owner; grant pg_read_all_stats to adm_owner",
  "create role adm_owner; grant adm_owner to current_user; create schema adm_owned authorization adm_owner",
  "select * from cron.job",
  "delete from cron.job_run_details where false",
  "select cron.schedule('adm', '0 0 1 1 *', 'select 1')",
  "select cron.schedule_in_database('adm', '0 0 1 1 *', 'select 1', 'postgres')",
  `create role adm_job login;
   grant adm_job to current_user;
   grant usage on schema cron to adm_job;
   grant execute on function cron.schedule_in_database, cron.alter_job to adm_job;
   set local role adm_job;
   select cron.alter_job(cron.schedule_in_database('adm', '0 0 1 1 *', 'select 1', 'postgres'), active => false);
   reset role;
   revoke usage on schema cron from adm_job;
   revoke execute on function cron.schedule_in_database, cron.alter_job from adm_job`,
  "show cron.use_background_workers",
])("the administrator may: %s", async (statement) => {
  expect(await outcome(admin, statement)).toBe("00000");
});

test.for([
  ["42501", "create extension pg_stat_statements"],
  ["42501", "drop extension pg_cron"],
  ["42501", "drop schema cron cascade"],
  ["42501", "create table cron.more ()"],
  ["42501", "alter table cron.job disable row level security"],
  ["42501", "insert into cron.job (schedule, command) values ('* * * * *', 'select 1')"],
  ["42501", "update cron.job set username = 'postgres'"],
  ["42501", "truncate cron.job"],
  ["42501", "alter role postgres password 'guess'"],
  ["42501", "alter role current_user superuser"],
  ["42501", "create role adm_boss superuser"],
  ["42501", "set role postgres"],
  ["42501", "set session authorization postgres"],
  ["42501", "select * from pg_authid"],
  ["42501", "select pg_read_file('postgresql.conf')"],
  ["42501", "copy (select 1) to program 'true'"],
  ["42501", "set log_statement = 'none'"],
  ["42501", "create function adm() returns void language c as 'adm'"],
])("the administrator gets %s for: %s", async ([code, statement]) => {
  expect(await outcome(admin, statement!)).toBe(code);
});

test("statements that no transaction may hold: databases can be made and dropped, the cron database and the server not", async () => {
  const database = "adm_made";
  await admin.query(`create database ${database}`);
  await admin.query(`drop database ${database}`);
  const other = await adminClient("postgres", own.server);
  await expect(other.query("drop database cron with (force)")).rejects.toMatchObject({ code: "42501" });
  await expect(other.query("alter system set fsync = off")).rejects.toMatchObject({ code: "42501" });
  await other.end();
});

test("the administrator sees and unschedules another role's job, cannot alter it, and cannot schedule by naming a user", async () => {
  const job = "adm_role";
  await superuser.query(`create role ${job} login`);
  await superuser.query(
    `grant usage on schema cron to ${job}; grant execute on all functions in schema cron to ${job}`,
  );
  await superuser.query("begin");
  await superuser.query(`set local role ${job}`);
  const { rows } = await superuser.query<{ id: string }>(
    "select cron.schedule_in_database('theirs', '0 0 1 1 *', 'select 1', 'postgres') as id",
  );
  await superuser.query("commit");
  const id = rows[0]?.id;

  const seen = await admin.query("select jobname, username from cron.job where jobid = $1", [id]);
  expect(seen.rows).toEqual([{ jobname: "theirs", username: job }]);
  expect(await outcome(admin, `select cron.alter_job(${String(id)}, active => false)`)).not.toBe("00000");
  await admin.query("select cron.unschedule($1::bigint)", [id]);
  expect((await superuser.query("select from cron.job where jobid = $1", [id])).rowCount).toBe(0);
  expect(
    await outcome(
      admin,
      `select cron.schedule_in_database('x', '0 0 1 1 *', 'select 1', 'cron', username => '${job}')`,
    ),
  ).not.toBe("00000");
});

test("the administrator may read and end other roles' sessions, but not a superuser's", async () => {
  const role = "adm_session";
  await superuser.query(`create role ${role} login password 'session'`);
  const session = await connectAs({ user: role, password: "session" }, "postgres", own.server);
  const { rows } = await session.query<{ pid: number }>("select pg_backend_pid() as pid");
  const activity = await admin.query(
    "select state, query_start is not null as started from pg_stat_activity where pid = $1",
    [rows[0]?.pid],
  );
  expect(activity.rows).toEqual([{ state: "idle", started: true }]);
  expect((await admin.query("select pg_terminate_backend($1, 10000) as ended", [rows[0]?.pid])).rows).toEqual([
    { ended: true },
  ]);
  await session.end().catch(() => undefined);
  const mine = await superuser.query<{ pid: number }>("select pg_backend_pid() as pid");
  expect(await outcome(admin, `select pg_terminate_backend(${String(mine.rows[0]?.pid)})`)).toBe("42501");
});

test("a role without rights cannot connect to the cron database, and finds nothing open in it", async () => {
  const role = "adm_nobody";
  await superuser.query(`create role ${role} login password 'nobody'`);
  await expect(connectAs({ user: role, password: "nobody" }, "cron", own.server)).rejects.toMatchObject({
    code: "42501",
  });
  const { rows } = await superuser.query(
    `select
       has_database_privilege($1, 'cron', 'connect') or has_database_privilege($1, 'cron', 'temporary') as database,
       has_schema_privilege($1, 'cron', 'usage') or has_schema_privilege($1, 'cron', 'create') as schema,
       (select count(*)::int from pg_proc where pronamespace = 'cron'::regnamespace
          and has_function_privilege($1, oid, 'execute')) as functions`,
    [role],
  );
  expect(rows).toEqual([{ database: false, schema: false, functions: 0 }]);
});

test("pg_cron runs the job of a role that may not connect to the cron database, in that role's own database", async () => {
  const role = "adm_job";
  const database = "adm_data";
  await admin.query(`create role ${role} login connection limit 0`);
  await admin.query(`grant ${role} to current_user`);
  await admin.query(`create database ${database}`);
  await admin.query(`revoke connect on database ${database} from public`);
  await admin.query(`grant connect on database ${database} to ${role}`);
  const inside = await superuserClient(database, own.server);
  await inside.query(`create table public.ran (who text, has_cron boolean); grant insert on public.ran to ${role}`);
  await admin.query("begin");
  await admin.query(`grant usage on schema cron to ${role}`);
  await admin.query(`grant execute on function cron.schedule_in_database to ${role}`);
  await admin.query(`set local role ${role}`);
  await admin.query("select cron.schedule_in_database($1, '* * * * *', $2, $3)", [
    `${database}:probe`,
    "insert into public.ran select current_user, has_database_privilege('cron', 'connect')",
    database,
  ]);
  await admin.query("reset role");
  await admin.query(`revoke usage on schema cron from ${role}`);
  await admin.query(`revoke execute on function cron.schedule_in_database from ${role}`);
  await admin.query("commit");

  const details = await waitFor(
    async () => {
      const { rows } = await admin.query<{ status: string; return_message: string }>(
        "select status, return_message from cron.job_run_details where username = $1 and end_time is not null",
        [role],
      );
      return rows[0];
    },
    { what: "pg_cron runs a job that is due each minute", timeoutMs: 100_000 },
  );
  expect(details).toMatchObject({ status: "succeeded" });
  expect((await inside.query("select distinct * from public.ran")).rows).toEqual([{ who: role, has_cron: false }]);
  await inside.end();
});
