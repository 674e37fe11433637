import { parseArgs } from "node:util";
import type { MerchantSpec } from "../spec/merchants.ts";
import { judge } from "./bars.ts";
import { merchantSpecs } from "./engine/merchants.ts";
import { createCalls } from "./engine/psql-create.ts";
import { dropCalls } from "./engine/psql-drop.ts";
import { lookCalls, readCalls } from "./engine/psql-looks.ts";
import { liftProtection, makeStack } from "./engine/stack.ts";
import { measure, measureInTurn, type Measurement, type Work } from "./measure.ts";
import { type PsqlCall, runPsql } from "./psql.ts";
import { printTable } from "./table.ts";
import { type ThrowawayServer, withThrowawayServer } from "./throwaway-server.ts";

/** How often what is short is done; the median counts. */
const TIMES = 3;

/** What is shown of a measurement; `cpu s` is processor time of the client's processes. */
const FIGURES: readonly { readonly title: string; readonly show: (of: Measurement) => string }[] = [
  { title: "s", show: ({ seconds }) => seconds.toFixed(2) },
  { title: "cpu s", show: ({ cpuSeconds }) => cpuSeconds?.toFixed(2) ?? "?" },
  { title: "MB", show: ({ peakBytes }) => (peakBytes === undefined ? "?" : (peakBytes / 2 ** 20).toFixed(0)) },
  { title: "connections", show: ({ connections }) => String(connections) },
];

/** One operation of the engine beside the same done by psql. */
interface Compared {
  readonly operation: string;
  readonly engine: Measurement;
  readonly psql: Measurement;
}

/**
 * Measures the local engine with the real program: wall time and memory of all its processes together, beside psql, 8 at a
 * time, that does the same SQL for as many other merchants of the same server. Gives the exit status.
 */
export async function benchEngine(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: { merchants: { type: "string", default: "100" } } });
  const count = Number(values.merchants);
  if (!Number.isInteger(count) || count < 1 || count > 400) {
    console.error(`--merchants ${values.merchants}: write how many, from 1 to 400`);
    return 2;
  }
  return withThrowawayServer("engine", (server) => benchOn(server, count));
}

async function benchOn(server: ThrowawayServer, count: number): Promise<number> {
  // What every stack needs of the server, and Node's compile cache, are there before anything is measured.
  await warmUp(server);
  const { compared, up } = await compareOperations(server, count);
  const twice = await upOfTwice(server, count);
  printTable(
    ["operation", ...FIGURES.flatMap(({ title }) => [`engine ${title}`, `psql ${title}`]), "ratio of time"],
    compared.map(({ operation, engine, psql }) => [
      operation,
      ...FIGURES.flatMap(({ show }) => [show(engine), show(psql)]),
      (engine.seconds / psql.seconds).toFixed(2),
    ]),
  );
  console.log(`up of ${2 * count}: ${FIGURES.map(({ title, show }) => `${show(twice)} ${title}`).join(", ")}`);
  const limits = { up: 2, "no-op up": 1, "preview --refresh": 1 } as Readonly<Record<string, number>>;
  return judge([
    ...compared.flatMap(({ operation, engine, psql }) => {
      const limit = limits[operation];
      return limit === undefined ? [] : [{ name: operation, figure: engine.seconds / psql.seconds, limit }];
    }),
    { name: `up of ${2 * count} / up of ${count}`, figure: twice.seconds / up.seconds, limit: 2.2 },
  ]);
}

async function warmUp({ running }: ThrowawayServer): Promise<void> {
  const stack = await makeStack(running, "warm", 1);
  try {
    await stack.run("up", "--yes", "--skip-preview");
  } finally {
    stack.project.remove();
  }
}

async function compareOperations(server: ThrowawayServer, count: number) {
  const { running } = server;
  const stack = await makeStack(running, "engine", count);
  const merchants = merchantSpecs("psql", count);
  const engine = (...args: readonly string[]): Work => ({ name: args.join(" "), run: () => stack.run(...args) });
  const psql = (what: string, calls: (merchant: MerchantSpec) => readonly PsqlCall[]): Work => ({
    name: `psql: ${what}`,
    run: () => runPsql(running, merchants.map(calls)),
  });
  try {
    const up = await measure(server, engine("up", "--yes", "--skip-preview"));
    const made = await measure(
      server,
      psql("create", (merchant) => createCalls(running, merchant)),
    );
    const looks = await measureInTurn(
      server,
      TIMES,
      engine("up", "--yes", "--skip-preview", "--expect-no-changes"),
      psql("look", (merchant) => lookCalls(running.cronDatabase, merchant)),
    );
    const reads = await measureInTurn(
      server,
      TIMES,
      engine("preview", "--refresh", "--expect-no-changes"),
      psql("read", (merchant) => readCalls(running.cronDatabase, merchant)),
    );
    await liftProtection(stack, running);
    const destroy = await measure(server, engine("destroy", "--yes", "--skip-preview"));
    const dropped = await measure(
      server,
      psql("drop", (merchant) => dropCalls(running, merchant)),
    );
    const compared: readonly Compared[] = [
      { operation: "up", engine: up, psql: made },
      { operation: "no-op up", engine: looks[0], psql: looks[1] },
      { operation: "preview --refresh", engine: reads[0], psql: reads[1] },
      { operation: "destroy", engine: destroy, psql: dropped },
    ];
    return { compared, up };
  } finally {
    stack.project.remove();
  }
}

/** From nothing, as `up` was: the merchants before are gone. */
async function upOfTwice(server: ThrowawayServer, count: number): Promise<Measurement> {
  const stack = await makeStack(server.running, "twice", 2 * count);
  try {
    return await measure(server, {
      name: `up of ${2 * count}`,
      run: () => stack.run("up", "--yes", "--skip-preview"),
    });
  } finally {
    stack.project.remove();
  }
}
