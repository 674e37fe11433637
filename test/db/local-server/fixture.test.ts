import { expect, test } from "vitest";
import {
  adminClient,
  dropMerchantLeftovers,
  freshName,
  superuserClient,
  testServer,
  withOwnServer,
} from "../../server.ts";

test("leftovers of a prefix are removed while pg_cron lives on, and nothing else is", async () => {
  await withOwnServer({}, async (server) => {
    const prefix = freshName("left");
    const neighbour = freshName("right");
    const client = await superuserClient("cron", server);
    for (const name of [prefix, neighbour]) {
      await client.query(`create role ${name}_owner`);
      await client.query(`create role ${name}_job login in role ${name}_owner`);
      await client.query(`create database ${name}_db owner ${name}_owner`);
      await client.query(`grant usage on schema cron to ${name}_job`);
      await client.query(`grant execute on function cron.schedule_in_database to ${name}_job`);
      await client.query("begin");
      await client.query(`set local role ${name}_job`);
      await client.query("select cron.schedule_in_database($1, '* * * * *', 'select 1', $2)", [
        `${name}:x`,
        `${name}_db`,
      ]);
      await client.query("commit");
    }
    const open = await superuserClient(`${prefix}_db`, server);
    const left = async (): Promise<readonly string[]> => {
      const { rows } = await client.query<{ name: string }>(
        `select datname::text as name from pg_database union all select rolname from pg_roles
       union all select username || ' in ' || database from cron.job order by 1`,
      );
      return rows.map(({ name }) => name).filter((name) => name.startsWith(prefix) || name.startsWith(neighbour));
    };

    await dropMerchantLeftovers(prefix, server);
    expect(await left()).toEqual([
      `${neighbour}_db`,
      `${neighbour}_job`,
      `${neighbour}_job in ${neighbour}_db`,
      `${neighbour}_owner`,
    ]);
    await dropMerchantLeftovers(prefix, server);
    await dropMerchantLeftovers(neighbour, server);
    expect(await left()).toEqual([]);
    await open.end().catch(() => undefined);

    // A launcher that met a job of a role that is gone dies at the next change of cron.job, and comes back as another.
    const pid = "select pid from pg_stat_activity where application_name = 'pg_cron scheduler'";
    const before = await client.query(pid);
    expect(before.rowCount).toBe(1);
    await client.query("select cron.schedule($1, '0 0 1 1 *', 'select 1')", [prefix]);
    await client.query("select cron.unschedule($1)", [prefix]);
    expect((await client.query(pid)).rows).toEqual(before.rows);
    await client.end();
  });
});

test("the shared server counts every statement, whoever sends it", async () => {
  const mark = freshName("counted");
  const admin = await adminClient("cron");
  await admin.query(`select 1 as ${mark}`);
  await admin.end();
  const client = await superuserClient("postgres");
  const { rows } = await client.query(
    "select calls::int, rolname as role from pg_stat_statements join pg_roles on pg_roles.oid = userid where query like $1",
    [`select%as ${mark}`],
  );
  await client.end();
  expect(rows).toEqual([{ calls: 1, role: testServer().admin }]);
});
