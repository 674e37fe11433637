import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { type Bar, judge } from "./bars.ts";
import { pgbenchRate, runnerRate } from "./runner/calls.ts";
import { type BenchFleet, EMPTY_JOBS, inEach, makeFleet, register, schedule } from "./runner/fleet.ts";
import { idleMemory, pageTime, withRunner } from "./runner/process.ts";
import { printTable } from "./table.ts";
import { withThrowawayServer } from "./throwaway-server.ts";

/** Merchants whose jobs are due every second, so that the runner always has something to do. */
const BUSY = 100;
const MINUTE = 60_000;
/**
 * A checkpoint after a thousand new databases writes 300,000 files, for minutes, and none of them is what is measured. Of
 * the catalogs and tables of a database a run and a look touch 2.6 MB (pg_buffercache), which a server that has a thousand of
 * them keeps in memory.
 */
const SETTINGS = { checkpoint_timeout: "1d", max_wal_size: "64GB", shared_buffers: "4GB" };

/**
 * Measures a runner with 1,000 merchants: its memory and its page beside the same with one, its calls beside pgbench's,
 * and whether it keeps up with all jobs of a minute. Gives the exit status.
 */
export async function benchRunner(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: { merchants: { type: "string", default: "1000" } } });
  const merchants = Number(values.merchants);
  if (!Number.isInteger(merchants) || merchants < 10 || merchants > 5_000) {
    console.error("--merchants: write how many, from 10 to 5000");
    return 2;
  }
  return withThrowawayServer(
    "runner",
    async ({ running }) => {
      const fleet = await makeFleet(running, merchants);
      const { bars, firstRound } = await benchIdle(fleet);
      return judge([...bars, await benchCalls(fleet), await benchMinute(fleet, firstRound)]);
    },
    SETTINGS,
  );
}

async function benchIdle(fleet: BenchFleet): Promise<{ readonly bars: readonly Bar[]; readonly firstRound: number }> {
  const look = async (merchants: number) => {
    const last = await register(fleet, merchants);
    return await withRunner(fleet.server, last, async ({ url, pid, firstRound }) => ({
      firstRound,
      memory: await idleMemory(pid),
      page: await pageTime(url),
    }));
  };
  const many = fleet.databases.length;
  const [one, all] = [await look(1), await look(many)];
  printTable(
    ["idle", "MB", "page in ms", "first round in s"],
    [["with 1 merchant", one] as const, [`with ${String(many)}`, all] as const].map(
      ([name, { memory, page, firstRound }]) => [
        name,
        (memory / 1e6).toFixed(1),
        page.toFixed(2),
        (firstRound / 1e3).toFixed(1),
      ],
    ),
  );
  const bars = [
    { name: `memory idle with ${String(many)} merchants / with 1`, figure: all.memory / one.memory, limit: 1.5 },
    { name: `page with ${String(many)} merchants / with 1`, figure: all.page / one.page, limit: 20 },
  ];
  return { bars, firstRound: all.firstRound };
}

async function benchCalls(fleet: BenchFleet): Promise<Bar> {
  const busy = Math.min(BUSY, fleet.databases.length);
  await schedule(fleet, busy, "1 seconds");
  const last = await register(fleet, busy);
  const [job] = EMPTY_JOBS;
  const bare = await pgbenchRate(fleet, job);
  const runner = await withRunner(fleet.server, last, () => runnerRate(fleet, busy));
  await schedule(fleet, busy, "0 0 1 1 *");
  printTable(
    ["calls", "a second"],
    [
      ["pgbench -C", bare.toFixed(1)],
      ["runner", runner.toFixed(1)],
    ],
  );
  return { name: "pgbench -C / runner, calls a second", figure: bare / runner, limit: 1.67 };
}

async function benchMinute(fleet: BenchFleet, firstRound: number): Promise<Bar> {
  const many = fleet.databases.length;
  const last = await register(fleet, many);
  // There is time to schedule and to visit all.
  const due = new Date(Math.ceil((Date.now() + 15_000 + firstRound * 3) / MINUTE) * MINUTE);
  const at = [due.getUTCMinutes(), due.getUTCHours(), due.getUTCDate(), due.getUTCMonth() + 1];
  await schedule(fleet, many, `${at.join(" ")} *`);
  const jobs = many * EMPTY_JOBS.length;
  await withRunner(fleet.server, last, async () => {
    if (Date.now() > due.getTime()) throw new Error("the runner had not visited all when their jobs were due");
    await pause(due.getTime() + MINUTE - Date.now());
  });
  const found = await inEach(fleet, many, async (client) => {
    const { rows } = await client.query<{ seconds: number }>(
      `select extract(epoch from started_at - due)::float8 as seconds from app.job_runs
       where status = 'succeeded' and due = $1`,
      [due],
    );
    return rows.map(({ seconds }) => seconds);
  });
  const seconds = found.flat().toSorted((one, other) => one - other);
  const inTime = seconds.filter((after) => after < 60).length;
  printTable(
    ["jobs due in one minute", "started in it", "the last after s"],
    [[String(jobs), String(inTime), (seconds.at(-1) ?? Number.NaN).toFixed(1)]],
  );
  return { name: `of ${String(jobs)} jobs due in one minute, started after it`, figure: jobs - inTime, limit: 0 };
}
