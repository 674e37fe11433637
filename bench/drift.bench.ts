import { parseArgs } from "node:util";
import { judge } from "./bars.ts";
import { merchantSpecs } from "./engine/merchants.ts";
import { readCalls } from "./engine/psql-looks.ts";
import { makeStack } from "./engine/stack.ts";
import { measureInTurn } from "./measure.ts";
import { runPsql } from "./psql.ts";
import { printTable } from "./table.ts";
import { type ThrowawayServer, withThrowawayServer } from "./throwaway-server.ts";

/** How often each is done; the median counts. */
const TIMES = 3;
const LIMITS = { merchantDatabase: 2, cell: 6, time: 1 } as const;

/** Which connections a refresh preview opened. */
interface Opened {
  /** To the merchant's database that got the most. */
  readonly most: number;
  readonly toMerchants: number;
  /** To all other databases of the cell. */
  readonly toCell: number;
}

/**
 * Measures what a nightly look for drift costs: the connections of a refresh preview as the server counts them, and its time
 * beside psql, 8 at a time, that reads the same facts of the same merchants. Gives the exit status.
 */
export async function benchDrift(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: { merchants: { type: "string", default: "200" } } });
  const count = Number(values.merchants);
  if (!Number.isInteger(count) || count < 1 || count > 400) {
    console.error(`--merchants ${values.merchants}: write how many, from 1 to 400`);
    return 2;
  }
  return withThrowawayServer("drift", (server) => benchOn(server, count));
}

async function benchOn(server: ThrowawayServer, count: number): Promise<number> {
  const { running } = server;
  const stack = await makeStack(running, "drift", count);
  const merchants = merchantSpecs("drift", count);
  const preview = () => stack.run("preview", "--refresh", "--expect-no-changes");
  try {
    await stack.run("up", "--yes", "--skip-preview");
    const opened = await openedBy(server, new Set(merchants.map(({ database }) => database)), preview);
    const [engine, psql] = await measureInTurn(
      server,
      TIMES,
      { name: `preview --refresh of ${count}`, run: preview },
      {
        name: "psql: read",
        run: () =>
          runPsql(
            running,
            merchants.map((merchant) => readCalls(running.cronDatabase, merchant)),
          ),
      },
    );
    printTable(
      ["a look at the drift", "s", "to merchants", "to the cell"],
      [
        [`preview --refresh of ${count}`, engine.seconds.toFixed(2), String(opened.toMerchants), String(opened.toCell)],
        ["psql: read", psql.seconds.toFixed(2), String(count), String(psql.connections - count)],
      ],
    );
    return judge([
      { name: "connections to one merchant's database", figure: opened.most, limit: LIMITS.merchantDatabase },
      { name: "other connections to the cell", figure: opened.toCell, limit: LIMITS.cell },
      { name: "preview --refresh / psql", figure: engine.seconds / psql.seconds, limit: LIMITS.time },
    ]);
  } finally {
    stack.project.remove();
  }
}

async function openedBy(
  server: ThrowawayServer,
  merchantDatabases: ReadonlySet<string>,
  work: () => Promise<void>,
): Promise<Opened> {
  const before = server.connectionsByDatabase();
  await work();
  const opened = [...server.connectionsByDatabase()].map(
    ([database, count]) => [database, count - (before.get(database) ?? 0)] as const,
  );
  const sum = (counts: readonly (readonly [string, number])[]) => counts.reduce((all, [, count]) => all + count, 0);
  const merchants = opened.filter(([database]) => merchantDatabases.has(database));
  return {
    most: Math.max(0, ...merchants.map(([, count]) => count)),
    toMerchants: sum(merchants),
    toCell: sum(opened) - sum(merchants),
  };
}
