// Runners that are killed, and what changes under them: on a server of its own, with merchants that are copies of one.
import { writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RUNNER_ROLE } from "../../../runner/config.ts";
import { type Copies, makeCopies, untilAllRan, whatCame } from "../../runner/copies.ts";
import { letRunnerIn, PASSWORD, runnerConfig, startTestFleet, type TestFleet } from "../../runner/kit.ts";
import { underKills } from "../../runner/kills.ts";
import { startProxy } from "../../proxy.ts";
import { randomOf, seedOfRun } from "../../seeded.ts";
import { restartPostmaster, superuserClient, waitFor } from "../../server.ts";

const MERCHANTS = 20;
const LOTS = 30;

let copies: Copies;

beforeAll(async () => {
  copies = await makeCopies(MERCHANTS, LOTS);
});
afterAll(async () => {
  await copies.remove();
});

const allRan = (what: string) => untilAllRan(copies.databases(), what);
const homeOf = (fleet: TestFleet) => fleet.knowledge.cells.get("home");

test("three runners, one killed every other second: never two runs at a time, every due time done, every effect once", async () => {
  const seed = seedOfRun();
  process.stdout.write(`kills: SEED=${String(seed)}\n`);
  const config = runnerConfig(copies.own.server, { cellEverySeconds: 1, merchantEverySeconds: 5 });
  const { kills, lots } = await underKills(copies, { seconds: 20, config, random: randomOf(seed) }, () =>
    allRan("after the kills"),
  );
  expect(kills).toBeGreaterThan(5);
  let runs = 0;
  for (const db of copies.databases()) {
    const came = await whatCame(db);
    expect(came, db.name).toMatchObject({ overlaps: 0, twice: 0, others: 0, balance: 0 });
    expect([came.lots, came.expiries], db.name).toEqual([LOTS + lots, LOTS + lots]);
    runs += came.runs;
  }
  // It is no test when hardly anything ran.
  expect(runs).toBeGreaterThan(MERCHANTS * 3);
});

test("a password that is changed, on the server and then in its file, costs the time between", async () => {
  const { server, folder } = copies.own;
  const file = path.join(folder, "password");
  writeFileSync(file, `${PASSWORD}\n`);
  const fleet = startTestFleet(runnerConfig(server, {}, { credential: { file } }));
  try {
    await allRan("with the first password");
    await letRunnerIn(server, "another-password");
    await waitFor(() => homeOf(fleet)?.failure, { what: "the old one is refused" });
    writeFileSync(file, "another-password\n");
    await allRan("with the second password");
    await waitFor(() => homeOf(fleet)?.failure === undefined, { what: "the cell answers again" });
  } finally {
    await fleet.stop();
    await letRunnerIn(server);
  }
});

test("connections that are ended in the middle of everything cost a moment, and leave none behind", async () => {
  const fleet = startTestFleet(runnerConfig(copies.own.server));
  const client = await superuserClient("postgres", copies.own.server);
  try {
    await allRan("before the cut");
    for (let i = 0; i < 10; i += 1) {
      await client.query("select pg_terminate_backend(pid) from pg_stat_activity where usename = $1", [RUNNER_ROLE]);
      await new Promise((go) => setTimeout(go, 50));
    }
    await allRan("after the cut");
    await fleet.stop();
    await waitFor(
      async () =>
        (await client.query("select from pg_stat_activity where usename = $1", [RUNNER_ROLE])).rowCount === 0 &&
        homeOf(fleet)?.connections === 0,
      { what: "no connection is left" },
    );
  } finally {
    await fleet.stop();
    await client.end();
  }
});

test.for(["before", "after"] as const)(
  "a network that is cut %s a call came to the server costs a moment, and no effect comes twice",
  async (when) => {
    const proxy = await startProxy(copies.own.server);
    const fleet = startTestFleet(runnerConfig({ host: "127.0.0.1", port: proxy.port }));
    try {
      await allRan("before the cut");
      for (const db of copies.databases()) await db.dueLots(3);
      await proxy.stopAt({ statement: /^call app\.run_job/, when });
      proxy.resume();
      await allRan("after the cut");
      for (const db of copies.databases()) {
        const { balance, lots, expiries } = await whatCame(db);
        expect([balance, expiries], db.name).toEqual([0, lots]);
      }
      await waitFor(() => homeOf(fleet)?.failure === undefined, { what: "the cell answers" });
    } finally {
      await fleet.stop();
      await proxy.close();
    }
  },
);

test("a server that is restarted costs the time that it is away", async () => {
  const fleet = startTestFleet(runnerConfig(copies.own.server));
  try {
    await allRan("before the restart");
    await restartPostmaster(copies.own);
    await copies.reopen();
    await allRan("after the restart");
    await waitFor(() => homeOf(fleet)?.failure === undefined, { what: "the cell answers again" });
  } finally {
    await fleet.stop();
  }
});
