import { findCluster } from "../../local/postgres/cluster.ts";
import { serverProcesses } from "../../local/postgres/processes.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RUNNER_ROLE } from "../../runner/config.ts";
import { budgetOf } from "../long-budget.ts";
import { type Copies, makeCopies, untilAllRan, whatCame } from "../runner/copies.ts";
import { runnerConfig } from "../runner/kit.ts";
import { type Blow, underKills } from "../runner/kills.ts";
import { signalAll } from "../runner/signals.ts";
import { randomOf, seedOfRun } from "../seeded.ts";
import { restartPostmaster, superuserClient } from "../server.ts";

const MERCHANTS = 20;
const LOTS = 30;
const MINUTES = 10;

let copies: Copies;
beforeAll(async () => {
  copies = await makeCopies(MERCHANTS, LOTS);
});
afterAll(async () => {
  await copies.remove();
});

/** Every session of the runners is ended, wherever it is. */
const endSessions: Blow = async ({ own }) => {
  const client = await superuserClient("postgres", own.server);
  await client.query("select pg_terminate_backend(pid) from pg_stat_activity where usename = $1", [RUNNER_ROLE]);
  await client.end();
};

const restart: Blow = async (all) => {
  await restartPostmaster(all.own);
  await all.reopen();
};

/** The whole server stands still for some seconds. */
const hang: Blow = async ({ own }) => {
  const pids = await serverProcesses((await findCluster(own.folder))!);
  signalAll(pids, "SIGSTOP");
  await new Promise((go) => setTimeout(go, 4_000));
  signalAll(pids, "SIGCONT");
};

test("ten minutes of kills, ended sessions, restarts and standstills: one run at a time, every effect once", async () => {
  const seed = seedOfRun();
  const seconds = Math.min(MINUTES, budgetOf(1 / 10) ?? MINUTES) * 60;
  const config = runnerConfig(copies.own.server, { cellEverySeconds: 1, merchantEverySeconds: 5 });
  const { kills, lots } = await underKills(
    copies,
    { seconds, config, random: randomOf(seed), others: [endSessions, restart, hang] },
    () => untilAllRan(copies.databases(), "at the end"),
  );
  let runs = 0;
  for (const db of copies.databases()) {
    const came = await whatCame(db);
    expect(came, db.name).toMatchObject({ overlaps: 0, twice: 0, others: 0, balance: 0 });
    expect([came.lots, came.expiries], db.name).toEqual([LOTS + lots, LOTS + lots]);
    runs += came.runs;
  }
  process.stdout.write(
    `kills of runners: SEED=${String(seed)}, ${String(kills)} in ${String(seconds)} s, ${String(runs)} runs\n`,
  );
  expect(kills).toBeGreaterThan(seconds / 10);
  expect(runs).toBeGreaterThan(MERCHANTS * 3);
});
