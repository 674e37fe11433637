import { errorOf, JobsDatabase } from "../jobs/database.ts";
import { makeTestJobs } from "../jobs/test-jobs.ts";
import { onboard, prepareCell, specOf, sqlRoot, testCell } from "../merchants.ts";
import { type OwnServer, startOwnServer, superuserClient, waitFor } from "../server.ts";
import { letRunnerIn } from "./kit.ts";

/** Merchants in a database each, every one with a trouble of its own, named after it. */
export interface Planted {
  readonly own: OwnServer;
  readonly databases: ReadonlyMap<string, JobsDatabase>;
  /** In the cron database, as superuser. */
  readonly inCron: (sql: string) => Promise<void>;
  remove(): Promise<void>;
}

type Plant = (db: JobsDatabase, planted: Pick<Planted, "inCron">) => Promise<void>;

const nothing: Plant = () => Promise.resolve();

/** What is done to each merchant. */
const PLANTS: Readonly<Record<string, Plant>> = {
  well: nothing,
  failing: async (db) => {
    await makeTestJobs(db);
    await errorOf(db.rows("call app.run_job('failing')"));
  },
  overdue: async (db, { inCron }) => {
    // Its catch-up would mend it at the next quarter of an hour, in the middle of this test.
    await inCron("update cron.job set schedule = '0 0 1 1 *' where database = 'merchant_overdue'");
    await db.rows("update app.jobs set due_from = now() - interval '3 days' where name = 'lot_expiry'");
  },
  behind: async (db) => {
    await db.rows(
      `create function app.slow_batch(p_now timestamptz, p_limit bigint, p_cursor jsonb, p_items text[], p_settings jsonb)
       returns app.batch_result language sql as $$
         select (array['1'], to_jsonb(coalesce(p_cursor::int, 0) + 1), false, 1)::app.batch_result
         from pg_sleep(case when p_items is null then 0 else 1.1 end) $$`,
    );
    await db.rows(
      `insert into app.jobs (name, batch_function, batch_size, time_limit_seconds) values ('slow', 'app.slow_batch', 1, 1)`,
    );
    await db.rows("call app.run_job('slow')");
  },
  quarantine: async (db) => {
    await makeTestJobs(db);
    await db.rows("call app.run_job('poisoned')");
  },
  abandoned: async (db) => {
    await makeTestJobs(db);
    const session = await db.session();
    const call = errorOf(session.client.query("call app.run_job('terminated')"));
    await waitFor(async () => (await db.runs("terminated")).some(({ batches }) => batches === 1), { what: "it runs" });
    await db.rows("select pg_terminate_backend($1)", [session.pid]);
    await call;
    await db.untilGone(session);
  },
  suspended: nothing,
  disabled: async (db) => {
    await db.rows(
      "update app.jobs set due_from = now() - interval '3 days', enabled = false where name = 'lot_expiry'",
    );
  },
  // What is done to these two comes later: they were visited before.
  away: nothing,
  stale: nothing,
};
const LINES: Readonly<Record<string, object>> = { suspended: { suspended: true } };

/** The merchants. */
export const MERCHANTS = Object.keys(PLANTS);

/** Makes a server with the merchants. */
export async function plantTroubles(): Promise<Planted> {
  const own = await startOwnServer({ settings: { max_connections: "150" } });
  const inCron = async (sql: string) => {
    const client = await superuserClient("cron", own.server);
    try {
      await client.query(sql);
    } finally {
      await client.end();
    }
  };
  await prepareCell(testCell(own.server));
  await letRunnerIn(own.server);
  const databases = new Map<string, JobsDatabase>();
  for (const [merchant, plant] of Object.entries(PLANTS)) {
    const spec = specOf(merchant, LINES[merchant] ?? {});
    await onboard(spec, sqlRoot, own.server);
    const db = await JobsDatabase.open(spec.database, own.server);
    databases.set(merchant, db);
    await plant(db, { inCron });
  }
  return {
    own,
    databases,
    inCron,
    async remove() {
      await Promise.all([...databases.values()].map((db) => db.close()));
      await own.remove();
    },
  };
}

/** Shuts the database of `away`, and opens it again. */
export async function setAway({ inCron }: Planted, away: boolean): Promise<void> {
  await inCron(`alter database merchant_away with allow_connections ${String(!away)}`);
  if (away) await inCron("select pg_terminate_backend(pid) from pg_stat_activity where datname = 'merchant_away'");
}

/** Holds up whoever looks at the jobs of `stale`, until the function that it gives is called. */
export async function holdStale({ databases }: Planted): Promise<() => Promise<void>> {
  const { client } = await databases.get("stale")!.session();
  await client.query("begin");
  await client.query("lock table app.jobs in access exclusive mode");
  return async () => {
    await client.query("rollback");
  };
}

/** Ends the look of a terminal that is held up there, which would take its whole time. */
export async function endStaleLook({ own, databases }: Planted): Promise<void> {
  await waitFor(
    async () =>
      (
        await databases.get("well")!.rows(
          `select pg_terminate_backend(pid) from pg_stat_activity
             where datname = 'merchant_stale' and usename = $1 and wait_event_type = 'Lock'`,
          [own.server.admin],
        )
      ).length > 0,
    { what: "the terminal's look is held up" },
  );
}

/** Makes pg_cron's launcher die, as it does when a role is dropped that owns a job. */
export async function stopLauncher({ inCron }: Pick<Planted, "inCron">): Promise<void> {
  await inCron("create role lost login");
  await inCron(
    "insert into cron.job (schedule, command, database, username) values ('0 0 1 1 *', 'x', 'cron', 'lost')",
  );
  await inCron("drop role lost");
  await inCron("select cron.schedule('touch', '0 0 1 1 *', 'select 1')");
}

/** Repairs that, as a person does. */
export async function bringLauncherBack({ inCron }: Planted): Promise<void> {
  await inCron("create role lost login");
  await inCron("select cron.unschedule(jobid) from cron.job where username = 'lost' or jobname = 'touch'");
  await inCron("drop role lost");
}
