import { chownSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { serverAccount } from "../../local/postgres/account.ts";
import { findInstallations } from "../../local/postgres/installation.ts";
import { choosePort } from "../../local/postgres/port.ts";
import { launchPostmaster, stopPostmaster } from "../../local/postgres/postmaster.ts";
import { runProgram } from "../../local/postgres/programs.ts";

/** A PostgreSQL as its packages make it, with nothing of this project in it. */
export interface BareServer {
  readonly port: number;
  readonly binFolder: string;
  /** With which psql is its superuser. */
  readonly env: Readonly<Record<string, string>>;
  remove(): Promise<void>;
}

/** Makes and starts one with these lines in its postgresql.conf. */
export async function startBareServer(settings: string): Promise<BareServer> {
  const [installation] = (await findInstallations()).withCron;
  if (installation === undefined) throw new Error("there is no PostgreSQL with pg_cron");
  const { binFolder } = installation;
  const folder = mkdtempSync(path.join(tmpdir(), "bare-server-"));
  const as = await serverAccount(undefined);
  if (as) chownSync(folder, as.uid, as.gid);
  const server = { dataFolder: path.join(folder, "data"), clusterName: path.basename(folder) };
  const password = "the superuser's";
  const passwordFile = path.join(folder, "password");
  writeFileSync(passwordFile, password);
  const words = [
    "--pgdata",
    server.dataFolder,
    "--username=postgres",
    "--pwfile",
    passwordFile,
    "--auth=scram-sha-256",
  ];
  const initdb = await runProgram(path.join(binFolder, "initdb"), [...words, "--no-sync"], { as });
  if (initdb.status !== 0) throw new Error(initdb.stderr);
  const port = await choosePort(folder);
  const own = `port = ${port}\ncluster_name = '${server.clusterName}'\nunix_socket_directories = ''\nfsync = off\n`;
  writeFileSync(path.join(server.dataFolder, "postgresql.auto.conf"), own + settings);
  await launchPostmaster(path.join(binFolder, "postgres"), server, { as, logFile: path.join(folder, "log") });
  return {
    port,
    binFolder,
    env: { PGHOST: "127.0.0.1", PGPORT: String(port), PGUSER: "postgres", PGPASSWORD: password },
    remove: async () => {
      await stopPostmaster(server, "immediate");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
