// The same merchants under pg_cron and under the runner, at the same full minute: the same assertions hold for both. On a
// server of its own, which has both kinds of merchants, and pg_cron's schedules have no seconds before 1.5: so all that is
// to be seen comes due in one minute, which is waited for once.
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { applyCrontab } from "../../converge/crontab.ts";
import { type Scheduler, SCHEDULERS } from "../../spec/cells.ts";
import { JobsDatabase } from "../jobs/database.ts";
import { onboard, prepareCell, specOf, sqlRoot, targetsOf, testCell } from "../merchants.ts";
import { CASES, type Minute, minuteAt, readRows } from "../runner/conformance-cases.ts";
import { letRunnerIn, runnerConfig, startTestFleet, type TestFleet } from "../runner/kit.ts";
import { type OwnServer, startOwnServer, superuserClient, waitFor } from "../server.ts";

const MINUTE = 60_000;
/** Milliseconds before the minute that scheduling all merchants takes at most. */
const ARMING = 15_000;
/** What a slow machine takes for the runs. */
const PATIENCE = 60_000;

const merchants = SCHEDULERS.flatMap((scheduler) =>
  Object.entries(CASES).map(([name, its]) => ({ id: `${name}_${scheduler}`, scheduler, its })),
);
const databases = new Map<string, JobsDatabase>();
let own: OwnServer;
let fleet: TestFleet;
let minute: Minute;

beforeAll(async () => {
  own = await startOwnServer({ settings: { max_connections: "150" } });
  await prepareCell(testCell(own.server));
  await letRunnerIn(own.server);
  const left = [...merchants];
  const work = async () => {
    for (let next = left.shift(); next; next = left.shift()) await makeMerchant(next);
  };
  await Promise.all([work(), work(), work()]);

  const server = await superuserClient("postgres", own.server);
  const rest = MINUTE - ((await now(server)) % MINUTE);
  if (rest < ARMING) await pause(rest);
  const time = (Math.floor((await now(server)) / MINUTE) + 1) * MINUTE;
  await server.end();
  minute = minuteAt(time);
  await Promise.all(merchants.map(schedule));
  fleet = startTestFleet(runnerConfig(own.server, { rescue: false }));
  for (const { id, its } of merchants) {
    const expected = its.rows(minute).length;
    const ended = async () => {
      const rows = await readRows(database(id));
      return rows.length >= expected && rows.every(({ by, status }) => by === "manual" || status !== "running");
    };
    await waitFor(ended, { what: `the runs of ${id}`, timeoutMs: Math.max(0, time - Date.now()) + PATIENCE });
  }
  await waitFor(allFired, { what: "pg_cron has fired for all", timeoutMs: PATIENCE });
  const seen = (id: string) => fleet.knowledge.cells.get("home")?.merchants.get(id)?.seenAt ?? 0;
  const isSeen = () => merchants.every(({ id }) => seen(id) > time + 2_000);
  await waitFor(isSeen, { what: "the runner has looked again after the minute" });
}, 240_000);

afterAll(async () => {
  await fleet.stop();
  for (const db of databases.values()) await db.close();
  await own.remove();
});

type Merchant = (typeof merchants)[number];

async function now(client: Awaited<ReturnType<typeof superuserClient>>): Promise<number> {
  const { rows } = await client.query<{ now: Date }>("select clock_timestamp() as now");
  return rows[0]?.now.getTime() ?? 0;
}

function database(id: string): JobsDatabase {
  const db = databases.get(id);
  if (db === undefined) throw new Error(`${id} was not onboarded`);
  return db;
}

async function makeMerchant({ id, scheduler, its }: Merchant): Promise<void> {
  const spec = specOf(id, { suspended: true });
  await onboard(spec, sqlRoot, own.server, scheduler);
  const db = await JobsDatabase.open(spec.database, own.server);
  databases.set(id, db);
  await its.prepare?.(db);
}

async function schedule({ id, scheduler, its }: Merchant): Promise<void> {
  const spec = specOf(id, its.line(minute, id));
  await applyCrontab(targetsOf(spec, testCell(own.server, scheduler)).crontab);
  await its.then?.(database(id));
}

/** Also for the job that is not due, which leaves no row of ours. */
async function allFired(): Promise<boolean> {
  const client = await superuserClient("cron", own.server);
  try {
    const { rows } = await client.query<{ left: number }>(
      `select count(*)::int as left from cron.job as j
       where j.jobname = 'zone_pg_cron:idempotency_cleanup' and not exists (
         select from cron.job_run_details as d where d.jobid = j.jobid and d.status in ('succeeded', 'failed')
       )`,
    );
    return rows[0]?.left === 0;
  } finally {
    await client.end();
  }
}

describe.each<Scheduler>(SCHEDULERS)("under %s", (scheduler) => {
  test.each(Object.entries(CASES).map(([name, its]) => [its.what, name] as const))("%s", async (_, name) => {
    const rows = await readRows(database(`${name}_${scheduler}`));
    const expected = CASES[name]?.rows(minute).map((row) => {
      return { ...row, scheduler: row.by === "manual" ? "manual" : scheduler };
    });
    expect(rows).toEqual(expected);
  });

  test("the jobs of the ledger have done what they are for", async () => {
    const db = database(`ledger_${scheduler}`);
    expect(
      await db.rows(
        `select (select count(*)::int from app.lots where expired_at is not null) as expired,
           (select count(*)::int from app.ledger_entries where kind = 'expiry') as entries,
           (select string_agg(state, ',') from app.operations) as operations,
           (select string_agg(key, ',' order by key) from app.idempotency_keys) as keys`,
      ),
    ).toEqual([{ expired: 3, entries: 3, operations: "expired", keys: "new,working" }]);
    expect(await database(`missed_${scheduler}`).rows("select from app.lots where expired_at is null")).toEqual([]);
  });
});
