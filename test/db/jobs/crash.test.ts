// What nobody can catch: the process of a run is killed, or the whole server is.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { type RunningServer, serverStatus, startServer } from "../../../local/postgres.ts";
import type { MerchantSpec } from "../../../spec/merchants.ts";
import { errorOf, EXPIRE_LOTS, JobsDatabase, type Session } from "../../jobs/database.ts";
import { onboard, prepareCell, specOf, sqlRoot, testCell } from "../../merchants.ts";
import { freshName, type OwnServer, startOwnServer, superuserClient, waitFor } from "../../server.ts";

let own: OwnServer;
let spec: MerchantSpec;
let db: JobsDatabase;

beforeAll(async () => {
  // Durable: what was committed must be there after the crash, as on a server of production.
  own = await startOwnServer({ durable: true });
  await prepareCell(testCell(own.server));
  spec = specOf(freshName("crash"), { suspended: true });
  await onboard(spec, sqlRoot, own.server);
});
beforeEach(async () => {
  db = await JobsDatabase.open(spec.database, own.server);
  await db.rows("delete from app.job_runs");
  await db.setJob({ batchSize: 1 });
  await db.waitPatiently();
});
afterEach(async () => {
  await db.close();
});
afterAll(async () => {
  await own.remove();
});

/** A run over three lots that has committed one batch and waits in the second. */
async function runInItsSecondBatch(): Promise<{
  readonly lots: readonly string[];
  readonly runner: Session;
  readonly run: Promise<unknown>;
}> {
  const lots = await db.dueLots(3);
  const runner = await db.session();
  await db.holdLot(lots[1]!);
  const run = errorOf(runner.client.query(EXPIRE_LOTS));
  await db.untilWaiting(runner);
  return { lots, runner, run };
}

/** The very next run after the restart takes over from the one that is gone. */
async function expectNextRunGoes(server: RunningServer, lots: readonly string[], killed: Session): Promise<void> {
  const after = await JobsDatabase.open(spec.database, server);
  try {
    await after.rows(EXPIRE_LOTS);
    expect(await after.runs()).toMatchObject([
      { status: "abandoned", affected: 1, batches: 1, pid: killed.pid },
      { status: "succeeded", affected: 2 },
    ]);
    expect(await after.expiries(lots)).toEqual(lots.map(() => [0, 1]));
  } finally {
    await after.close();
  }
}

test("after kill -9 of the run's process, and the restart of all others, the very next run goes", async () => {
  const { lots, runner, run } = await runInItsSecondBatch();
  process.kill(runner.pid, "SIGKILL");
  expect(await run).toBeDefined();
  // The server takes a moment to hear of it; then it ends all other sessions.
  await waitFor(async () => (await errorOf(db.rows("select"))) !== undefined, { what: "the server ends all sessions" });
  await waitFor(
    async () => {
      const client = await superuserClient(spec.database, own.server).catch(() => undefined);
      await client?.end();
      return client !== undefined;
    },
    { what: "the server has recovered" },
  );
  await expectNextRunGoes(own.server, lots, runner);
});

test("after kill -9 of the server, and its start, the very next run goes", async () => {
  const { lots, runner, run } = await runInItsSecondBatch();
  const status = await serverStatus(own.folder);
  if (status.state !== "running") throw new Error(`the server is ${status.state}`);
  process.kill(status.pid, "SIGKILL");
  expect(await run).toBeDefined();
  const server = await startServer({ folder: own.folder, durable: true });
  await expectNextRunGoes(server, lots, runner);
});
