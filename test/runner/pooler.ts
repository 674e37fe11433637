import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, cpSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import path from "node:path";
import { serverAccount } from "../../local/postgres/account.ts";
import { findCluster } from "../../local/postgres/cluster.ts";
import { RUNNER_ROLE } from "../../runner/config.ts";
import { findIn, unpackDebian } from "../debian.ts";
import { freshName, type OwnServer, waitFor } from "../server.ts";
import { PASSWORD } from "./kit.ts";
import { freePort } from "./port.ts";

/** A PgBouncer in transaction mode before a server. */
export interface Pooler {
  readonly port: number;
  stop(): Promise<void>;
}

/** Starts one, of Debian's package. `lenient`: it lets parameters through that it does not know, as people set it. */
export async function startPooler({ server, folder }: OwnServer, lenient: boolean): Promise<Pooler> {
  const port = await freePort();
  const cluster = await findCluster(folder);
  if (cluster === undefined) throw new Error(`${folder} has no server`);
  // It refuses to run as root: this is where the server's user gets at its files.
  const home = path.join(cluster.home, freshName("pooler"));
  mkdirSync(home);
  const files = path.join(home, "files");
  cpSync(unpackDebian("pgbouncer", { withDependencies: true }), files, { recursive: true });
  const write = (name: string, text: string) => {
    writeFileSync(path.join(home, name), text);
    return path.join(home, name);
  };
  const users = write("users.txt", `"${RUNNER_ROLE}" "${PASSWORD}"\n`);
  const ini = write(
    "pgbouncer.ini",
    [
      "[databases]",
      `* = host=${server.host} port=${String(server.port)}`,
      "[pgbouncer]",
      "listen_addr = 127.0.0.1",
      `listen_port = ${String(port)}`,
      "unix_socket_dir =",
      "pool_mode = transaction",
      "auth_type = scram-sha-256",
      `auth_file = ${users}`,
      ...(lenient ? ["ignore_startup_parameters = statement_timeout,lock_timeout,options"] : []),
      "",
    ].join("\n"),
  );
  const account = await serverAccount(server.dataFolder);
  for (const file of [home, users, ini]) {
    chmodSync(file, file === home ? 0o700 : 0o600);
    if (account) chownSync(file, account.uid, account.gid);
  }
  const child = spawn(findIn(files, "sbin/pgbouncer"), [ini], {
    cwd: "/",
    env: { LD_LIBRARY_PATH: librariesOf(files).join(":") },
    stdio: ["ignore", "ignore", "pipe"],
    ...account,
  });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
  const ended = once(child, "close");
  await waitFor(
    () => {
      if (child.exitCode !== null) throw new Error(`the pooler ended: ${said}`);
      return answers(port);
    },
    { what: "the pooler listens" },
  );
  return {
    port,
    async stop() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** The folders of what came with it; none when this machine has all of it. */
function librariesOf(files: string): readonly string[] {
  const found = readdirSync(files, { recursive: true, encoding: "utf8" }).filter((file) => /\.so\.\d/.test(file));
  return [...new Set(found.map((file) => path.dirname(path.join(files, file))))];
}
