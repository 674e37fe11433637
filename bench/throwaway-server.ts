import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import pg from "pg";
import { isAlive } from "../local/engine/stack-store.ts";
import { removeServer, type RunningServer, startServer } from "../local/postgres.ts";

const benches = path.join(import.meta.dirname, "..", ".local", "bench");

/** A server that one bench has for itself. */
export interface ThrowawayServer {
  readonly running: RunningServer;
  /** How many connections the administrator has opened to this database, or to any, since the server started. */
  connections(database?: string): number;
  /** The same for each database that it opened one to. */
  connectionsByDatabase(): ReadonlyMap<string, number>;
  /** Writes what is not on disk yet: or the next DROP DATABASE would wait for everything that was made before it. */
  checkpoint(): Promise<void>;
}

/**
 * Runs a bench on a server of its own, which is removed afterwards, also on Ctrl-C. It is durable, as a real one is: what a
 * commit costs is in every figure.
 */
export async function withThrowawayServer<T>(
  name: string,
  work: (server: ThrowawayServer) => Promise<T>,
  settings: Readonly<Record<string, string>> = {},
): Promise<T> {
  await removeAbandoned();
  const folder = path.join(benches, `${name}-${process.pid}`);
  const remove = async () => {
    await removeServer(folder);
    rmSync(folder, { recursive: true, force: true });
  };
  const onSignal = () => {
    void remove().finally(() => process.exit(130));
  };
  process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
  try {
    const running = await startServer({
      folder,
      durable: true,
      log: (line) => {
        console.log(line);
      },
      settings: { log_connections: "on", ...settings },
    });
    return await work({
      running,
      connections(database) {
        const all = connectionsByDatabase(running);
        return database === undefined ? [...all.values()].reduce((a, b) => a + b, 0) : (all.get(database) ?? 0);
      },
      connectionsByDatabase: () => connectionsByDatabase(running),
      checkpoint: () => checkpoint(running),
    });
  } finally {
    await remove();
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}

async function checkpoint({ host, port, superuser }: RunningServer): Promise<void> {
  const client = new pg.Client({ host, port, ...superuser, database: "postgres" });
  await client.connect();
  try {
    await client.query("checkpoint");
  } finally {
    await client.end();
  }
}

/** The server writes a line for each when `log_connections` is on. */
function connectionsByDatabase({ logFile, admin }: RunningServer): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  const lines = readFileSync(logFile, "utf8").matchAll(/connection authorized: user=(\S+) database=(\S+)/g);
  for (const [, user, database = ""] of lines)
    if (user === admin) counts.set(database, (counts.get(database) ?? 0) + 1);
  return counts;
}

/** A bench that was killed left its server running. */
async function removeAbandoned(): Promise<void> {
  mkdirSync(benches, { recursive: true });
  for (const name of readdirSync(benches)) {
    if (isAlive(Number(name.slice(name.lastIndexOf("-") + 1)))) continue;
    await removeServer(path.join(benches, name));
    rmSync(path.join(benches, name), { recursive: true, force: true });
  }
}
