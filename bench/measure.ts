import { childrenSeconds, watchMemory } from "./process-tree.ts";
import type { ThrowawayServer } from "./throwaway-server.ts";

/** What some work took. */
export interface Measurement {
  readonly seconds: number;
  /** Processor time of the processes that were started for it, not of the server; undefined where that cannot be seen. */
  readonly cpuSeconds: number | undefined;
  /** The most memory at once of the processes that were started for it; undefined where that cannot be seen. */
  readonly peakBytes: number | undefined;
  /** How many connections the administrator opened. */
  readonly connections: number;
}

/** Something to measure, under the name that is printed when it was done. */
export interface Work {
  readonly name: string;
  readonly run: () => Promise<void>;
}

/** Does the work, and gives what it took. Nothing else may use the server or start processes meanwhile. */
export async function measure(server: ThrowawayServer, { name, run }: Work): Promise<Measurement> {
  await server.checkpoint();
  const connections = server.connections();
  const cpu = childrenSeconds();
  const memory = watchMemory();
  const began = performance.now();
  try {
    await run();
    const seconds = (performance.now() - began) / 1000;
    const spent = childrenSeconds();
    console.log(`${name}: ${seconds.toFixed(2)} s`);
    return {
      seconds,
      cpuSeconds: cpu === undefined || spent === undefined ? undefined : spent - cpu,
      peakBytes: memory.stop(),
      connections: server.connections() - connections,
    };
  } finally {
    memory.stop();
  }
}

/** Does two pieces of work in turn, `times` each, so that what else the machine does falls on both; gives the median of each. */
export async function measureInTurn(
  server: ThrowawayServer,
  times: number,
  first: Work,
  second: Work,
): Promise<readonly [Measurement, Measurement]> {
  const one: Measurement[] = [];
  const other: Measurement[] = [];
  for (let i = 0; i < times; i += 1) {
    one.push(await measure(server, first));
    other.push(await measure(server, second));
  }
  return [median(one), median(other)];
}

/** The measurement in the middle, by time. */
function median(all: readonly Measurement[]): Measurement {
  const sorted = all.toSorted((a, b) => a.seconds - b.seconds);
  const middle = sorted[Math.floor((sorted.length - 1) / 2)];
  if (middle === undefined) throw new Error("nothing was measured");
  return middle;
}
