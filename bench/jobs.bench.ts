import { parseArgs } from "node:util";
import type { RunningServer } from "../local/postgres.ts";
import { type Bar, judge } from "./bars.ts";
import { makeMerchant, withClient, withCopy } from "./jobs/databases.ts";
import { type ExpiryBench, p99OfInserts, p99OfWaits, secondsOf } from "./jobs/expiry.ts";
import { idleRun } from "./jobs/idle.ts";
import { addDueLots, addLotsForLater } from "./jobs/lots.ts";
import { printTable } from "./table.ts";
import { withThrowawayServer } from "./throwaway-server.ts";

/** How often each is measured; the least counts, since what else the machine does only adds. */
const TIMES = 3;

/**
 * Measures the engine of jobs by its largest job: a run of lot_expiry beside one statement that does the same, beside
 * itself under harder conditions, and with nothing to do. Gives the exit status.
 */
export async function benchJobs(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: { lots: { type: "string", default: "1000000" }, "idle-lots": { type: "string" } },
  });
  const lots = Number(values.lots);
  const idleLots = Number(values["idle-lots"] ?? lots * 10);
  if (![lots, idleLots].every((count) => Number.isInteger(count) && count >= 10_000 && count <= 100_000_000)) {
    console.error("--lots and --idle-lots: write how many, from 10000 to 100000000");
    return 2;
  }
  return withThrowawayServer("jobs", async ({ running }) => {
    const merchant = await makeMerchant(running);
    const nothingDue = await withCopy(running, merchant, (copy) => benchIdle(running, copy, idleLots));
    await withClient(running, merchant, (client) => addDueLots(client, lots));
    return judge([...(await benchExpiry({ server: running, original: merchant, lots })), nothingDue]);
  });
}

async function benchIdle(server: RunningServer, database: string, idleLots: number): Promise<Bar> {
  return withClient(server, database, async (client) => {
    await addLotsForLater(client, idleLots);
    const { run, bare } = await idleRun(client);
    printTable(
      ["nothing due", "ms"],
      [
        [`run on ${idleLots} lots`, run.toFixed(2)],
        ["insert, commit, update, commit", bare.toFixed(2)],
      ],
    );
    return { name: "nothing due / insert, commit, update, commit", figure: run / bare, limit: 3 };
  });
}

async function benchExpiry(bench: ExpiryBench): Promise<readonly Bar[]> {
  const seconds = await leastInTurn("s", TIMES, {
    "one statement": () => secondsOf(bench, "statement"),
    run: () => secondsOf(bench, "run"),
    "run beside an old snapshot": () => secondsOf(bench, "run", true),
  });
  const waits = await leastInTurn("ms, p99 wait for a lot", 1, {
    "one statement": () => p99OfWaits(bench, "statement"),
    run: () => p99OfWaits(bench, "run"),
  });
  const inserts = await leastInTurn("ms, p99 of inserts", TIMES, {
    quiet: () => p99OfInserts(bench, undefined),
    "during a run": () => p99OfInserts(bench, "run"),
  });
  return [
    { name: "run / one statement", figure: seconds.run / seconds["one statement"], limit: 1.4 },
    { name: "p99 wait, run / one statement", figure: waits.run / waits["one statement"], limit: 0.01 },
    { name: "p99 insert, during a run / quiet", figure: inserts["during a run"] / inserts.quiet, limit: 2 },
    {
      name: "run beside an old snapshot / without",
      figure: seconds["run beside an old snapshot"] / seconds.run,
      limit: 1.2,
    },
  ];
}

/** Measures each in turn, so that what else the machine does falls on all, prints all figures, and gives the least of each. */
async function leastInTurn<const Name extends string>(
  unit: string,
  times: number,
  figures: Readonly<Record<Name, () => Promise<number>>>,
): Promise<Readonly<Record<Name, number>>> {
  const names = Object.keys(figures) as Name[];
  const all = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
  for (let i = 0; i < times; i += 1) for (const name of names) all[name].push(await figures[name]());
  printTable(
    [unit, ...Array.from({ length: times }, (_, i) => String(i + 1))],
    names.map((name) => [name, ...all[name].map((figure) => figure.toFixed(2))]),
  );
  return Object.fromEntries(names.map((name) => [name, Math.min(...all[name])])) as Record<Name, number>;
}
