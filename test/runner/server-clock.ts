import { spawn } from "node:child_process";
import { once } from "node:events";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { serverAccount } from "../../local/postgres/account.ts";
import { findCluster, installationOf } from "../../local/postgres/cluster.ts";
import { stopPostmaster } from "../../local/postgres/postmaster.ts";
import { readPostmaster } from "../../local/postgres/processes.ts";
import { type OwnServer, waitFor } from "../server.ts";
import { type FakedClock, fakedClock } from "./clock.ts";

/** Restarts a server with a time of day that can be set. */
export async function restartWithClock({ folder }: OwnServer): Promise<FakedClock> {
  const cluster = await findCluster(folder);
  if (cluster === undefined) throw new Error(`${folder} has no server`);
  const { binFolder } = await installationOf(cluster, undefined);
  await stopPostmaster(cluster, "fast");
  const clock = fakedClock(cluster.home);
  const log = await open(cluster.logFile, "a", 0o600);
  const child = spawn(join(binFolder, "postgres"), ["-D", cluster.dataFolder], {
    cwd: "/",
    env: { ...clock.env, PATH: "/usr/bin:/bin" },
    detached: true,
    stdio: ["ignore", log.fd, log.fd],
    ...(await serverAccount(cluster.dataFolder)),
  });
  await once(child, "spawn");
  child.unref();
  await log.close();
  await waitFor(
    async () => {
      const postmaster = await readPostmaster(cluster);
      return postmaster?.pid === child.pid && postmaster?.ready === true;
    },
    { what: "the server is up" },
  );
  return clock;
}
