import { afterAll, beforeAll, expect, test } from "vitest";
import { runGate, type GateTarget } from "../../../converge/gate.ts";
import type { MerchantSpec } from "../../../spec/merchants.ts";
import { JobsDatabase } from "../../jobs/database.ts";
import { onboard, prepareCell, specOf, testCell } from "../../merchants.ts";
import { dropMerchantLeftovers, freshName, waitFor } from "../../server.ts";

const prefix = freshName("gate");
// Nothing is due by itself while these tests run.
const never = { schedule: "0 0 29 2 *" };
const resting = { lot_expiry: never, ops_cleanup: never, idempotency_cleanup: never, history_cleanup: never };
let spec: MerchantSpec;
let paused: MerchantSpec;
let db: JobsDatabase;

beforeAll(async () => {
  await prepareCell();
  spec = specOf(`${prefix}a`, { jobs: { ...resting, ops_cleanup: { ...never, enabled: false } } });
  paused = specOf(`${prefix}b`, { suspended: true });
  await onboard(spec);
  await onboard(paused);
  db = await JobsDatabase.open(spec.database);
});
afterAll(async () => {
  await db.close();
  await dropMerchantLeftovers(`merchant_${prefix}`);
});

function targetOf({ id: merchant, database }: MerchantSpec): GateTarget {
  return { merchant, address: testCell(), cell: "home", database, state: "1", told: undefined };
}
const passed = ({ id: merchant }: MerchantSpec) => ({ merchant, failures: [], quarantined: [], told: undefined });

test("each enabled job is run once, by hand and with the job role's rights; a disabled one and a suspended merchant's are not", async () => {
  const lot = await db.lot("-1 day", [1000]);
  // Who calls is seen from inside, by a trigger that the run sets off.
  await db.rows("create table app.test_who (session_name text, role text)");
  await db.rows("grant insert on app.test_who to public");
  await db.rows(
    `create function app.test_who() returns trigger language plpgsql as $$ begin
       insert into app.test_who values (session_user, current_setting('role')); return null; end $$`,
  );
  await db.rows(
    "create trigger test_who after insert on app.ledger_entries for each row when (new.kind = 'expiry') execute function app.test_who()",
  );
  expect(await runGate([targetOf(paused), targetOf(spec)])).toEqual([passed(spec), passed(paused)]);
  const runs = await db.rows(
    "select j.name, r.scheduler, r.status from app.job_runs as r join app.jobs as j using (job_id) order by 1",
  );
  expect(runs).toEqual(
    ["history_cleanup", "idempotency_cleanup", "lot_expiry"].map((name) => ({
      name,
      scheduler: "manual",
      status: "succeeded",
    })),
  );
  expect(await db.expiries([lot])).toEqual([[0, 1]]);
  expect(await db.rows("select * from app.test_who")).toEqual([{ session_name: testCell().user, role: spec.jobRole }]);
  await db.rows("drop trigger test_who on app.ledger_entries");
});

test("a job that fails is named with its run and error, and the others are run all the same", async () => {
  const [lot] = await db.dueLots(1);
  await db.poison([lot!], "53100");
  const before = (await db.runs("idempotency_cleanup")).length;
  const [outcome] = await runGate([targetOf(spec)]);
  expect(outcome?.failures).toEqual([
    expect.stringMatching(
      new RegExp(
        `^merchant ${spec.id} of cell home, job lot_expiry: run \\d+ failed: lot ${lot} is poisoned \\(53100\\)$`,
      ),
    ),
  ]);
  expect((await db.runs("idempotency_cleanup")).length).toBe(before + 1);
  await db.heal();
  expect(await runGate([targetOf(spec)])).toEqual([passed(spec)]);
  expect(await db.expiries([lot!])).toEqual([[0, 1]]);
});

test("items that went to quarantine since the SQL was applied are told, once each; older ones are not", async () => {
  const items = (lots: readonly string[], count: string) => ({
    quarantined: [
      `merchant ${spec.id} of cell home, job lot_expiry: ${count} in quarantine since its SQL was last applied; ` +
        `${lots[0]}: lot ${lots[0]} is poisoned (P0001)`,
    ],
  });
  const lots = await db.dueLots(2);
  await db.poison(lots, "P0001");
  const [outcome] = await runGate([targetOf(spec)]);
  expect(outcome).toMatchObject(items(lots, "2 items are"));
  const told = outcome?.told;
  // They fail again, and stay.
  expect(await runGate([{ ...targetOf(spec), told }])).toEqual([passed(spec)]);
  const more = await db.dueLots(1);
  await db.poison([...lots, ...more], "P0001");
  expect((await runGate([{ ...targetOf(spec), told }]))[0]).toMatchObject(items(more, "1 item is"));
  await db.rows("update merchant_jobs.applied_files set applied_at = clock_timestamp() where file like '%access.sql'");
  expect(await runGate([targetOf(spec)])).toEqual([passed(spec)]);
  await db.heal();
});

test("a run of somebody else's is waited for, and does not count as the gate's", async () => {
  await db.rows("create table app.test_go (go boolean)");
  await db.rows("grant select on app.test_go to public");
  await db.rows(
    `create function app.test_batch(p_now timestamptz, p_limit bigint, p_cursor jsonb, p_items text[], p_settings jsonb)
     returns app.batch_result language plpgsql as $$
     begin
       while not exists (select from app.test_go) loop perform pg_sleep(0.05); end loop;
       return (null, null, true, null)::app.batch_result;
     end $$`,
  );
  await db.rows("update app.jobs set batch_function = 'app.test_batch' where name = 'lot_expiry'");
  const before = (await db.runs()).length;
  const other = await db.session();
  const theirs = other.client.query("call app.expire_lots()");
  await waitFor(async () => (await db.lastRun())?.status === "running", { what: "the other run is under way" });
  const gate = runGate([targetOf(spec)]);
  const looks =
    "select from pg_stat_activity where datname = current_database() and query like '%live_claim($1%' and pid <> $1";
  await waitFor(async () => (await db.rows(looks, [other.pid])).length > 0, { what: "the gate looks whether it may" });
  expect((await db.runs()).length).toBe(before + 1);
  await db.rows("insert into app.test_go values (true)");
  await theirs;
  expect(await gate).toEqual([passed(spec)]);
  const runs = (await db.runs()).slice(before);
  expect(runs.map(({ status }) => status)).toEqual(["succeeded", "succeeded"]);
  expect(runs[1]!.pid).not.toBe(other.pid);
});

test("a run that goes far over its time limit is cancelled and has failed, and another's is not waited for longer", async () => {
  await db.rows("delete from app.test_go");
  await db.setJob({ timeLimitSeconds: 1 });
  const about = `merchant ${spec.id} of cell home, job lot_expiry`;
  const [over] = await runGate([targetOf(spec)], { graceSeconds: 0 });
  expect(over?.failures).toEqual([
    expect.stringMatching(
      new RegExp(`^${about}: run \\d+ failed: canceling statement due to statement timeout \\(57014\\)$`),
    ),
  ]);
  const other = await db.session();
  const theirs = other.client.query("call app.expire_lots()");
  await waitFor(async () => (await db.lastRun())?.pid === other.pid, { what: "the other run is under way" });
  const [late] = await runGate([targetOf(spec)], { graceSeconds: 0 });
  expect(late?.failures).toEqual([
    expect.stringMatching(
      new RegExp(`^${about}: another run of it, since .*, has not ended within the job's time limit$`),
    ),
  ]);
  await db.rows("insert into app.test_go values (true)");
  await theirs;
});

test("a merchant that cannot be reached is a failure of its own and stops no other", async () => {
  const away = { ...targetOf(paused), database: `${paused.database}_away` };
  const [there, gone] = await runGate([targetOf(spec), { ...away, merchant: `${paused.id}x` }]);
  expect(there).toEqual(passed(spec));
  expect(gone?.failures).toEqual([expect.stringContaining(`database "${away.database}" does not exist`)]);
});
