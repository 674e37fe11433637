import { checkServerIdentity, type ConnectionOptions } from "node:tls";
import pg from "pg";
import type { CellAddress, PasswordSource, ServerAddress } from "./address.ts";
import { ConvergeError, codeOf, SQLSTATE } from "./errors.ts";
import { isRefusedLogin, notConnected } from "./refusals.ts";
import { unlessSilent } from "./silent-servers.ts";

/** Milliseconds. A change waits this long for a lock, then gives up rather than stop the merchant's traffic behind it. */
const LOCK_TIMEOUT = 10_000;
/** Milliseconds. Whoever holds one of our own locks stops no merchant's traffic: there is time to wait for them. */
const ADVISORY_LOCK_TIMEOUT = 120_000;
/** Milliseconds that one statement may take: migrations included. */
const STATEMENT_TIMEOUT = 15 * 60_000;
const CONNECT_TIMEOUT = 10_000;
/** Connections to a cell's cron database: every merchant of the cell needs it, each only for some milliseconds. */
const CRON_POOL_SIZE = 3;

/** The database of a cell with the registry of its merchants, in which pg_cron lives too. */
export const CRON_DATABASE = "cron";

/** What code that converges may do with a connection. */
export type Session = Pick<pg.ClientBase, "query">;

/** Opens one connection to a database of a cell for as long as `work` runs. Throws `not_connected`. */
export async function withSession<T>(
  address: CellAddress,
  database: string,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const client = await connect(address, database);
  try {
    return await work(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function connect(address: CellAddress, database: string): Promise<pg.Client> {
  return loggingIn(address, database, async () => {
    const client = new pg.Client(settings(address, database));
    // An idle connection that breaks emits an error besides failing the next query; unheard it would end the process.
    client.on("error", () => undefined);
    try {
      await client.connect();
      return client;
    } catch (error) {
      await client.end().catch(() => undefined);
      throw error;
    }
  });
}

/**
 * Opens a connection, and once more where the password was refused and there is another one meanwhile: a rotation may come
 * at any time. Throws `not_connected`, and what the source of the password throws.
 */
async function loggingIn<T>(address: CellAddress, database: string, open: () => Promise<T>): Promise<T> {
  const source = typeof address.password === "string" ? undefined : address.password;
  const generation = source?.generation() ?? 0;
  try {
    // Asked for here already: what goes wrong in it is told as it is, and not as a failed connection.
    await source?.current();
    return await unlessSilent(address, CONNECT_TIMEOUT, open);
  } catch (error) {
    if (error instanceof ConvergeError) throw error;
    if (source === undefined || !isRefusedLogin(error) || !(await source.renew(generation))) {
      throw notConnected(address, database, error);
    }
  }
  try {
    return await open();
  } catch (error) {
    throw notConnected(address, database, error);
  }
}

/** A connection that reads of one database share. */
interface Shared {
  readonly client: Promise<pg.Client>;
  /** Settled when whoever has it now is done with it. */
  turn: Promise<unknown>;
  readers: number;
}

const shared = new Map<string, Shared>();

/**
 * As `withSession`, for work that only reads: reads of a database that are under way at the same time take turns on one
 * connection, which costs the server more than most reads do, and the last one closes it. Throws `not_connected`.
 */
export async function withSharedSession<T>(
  address: CellAddress,
  database: string,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const key = JSON.stringify([address, database]);
  const one = shared.get(key) ?? { client: connect(address, database), turn: Promise.resolve(), readers: 0 };
  shared.set(key, one);
  one.readers += 1;
  const done = one.turn.then(async () => work(await one.client));
  one.turn = done.catch(() => undefined);
  try {
    return await done;
  } finally {
    one.readers -= 1;
    if (one.readers === 0) {
      shared.delete(key);
      await one.client.then((client) => client.end()).catch(() => undefined);
    }
  }
}

interface Cell {
  readonly pool: pg.Pool;
  /** Who waits for a connection. The pool's own queue would count the wait against the time to connect. */
  readonly waiting: (() => void)[];
  free: number;
}

const cells = new Map<string, Cell>();

/** As `withSession`, on a connection of the small pool for the cell's cron database. Throws `not_connected`. */
export async function withCronSession<T>(address: CellAddress, work: (session: Session) => Promise<T>): Promise<T> {
  const cell = cellOf(address);
  if (cell.free > 0) cell.free -= 1;
  else await new Promise<void>((go) => cell.waiting.push(go));
  try {
    return await withPooled(cell.pool, address, work);
  } finally {
    const next = cell.waiting.shift();
    if (next) next();
    else cell.free += 1;
  }
}

function cellOf(address: CellAddress): Cell {
  const key = JSON.stringify(address);
  const known = cells.get(key);
  if (known) return known;
  const pool = new pg.Pool({
    ...settings(address, CRON_DATABASE),
    max: CRON_POOL_SIZE,
    // Longer than a busy run leaves one unused: what is closed too early is opened again.
    idleTimeoutMillis: 5_000,
    allowExitOnIdle: true,
  });
  pool.on("error", () => undefined);
  // The pool hears what happens to a connection that nobody uses; one that breaks while it is used fails the next query too.
  pool.on("connect", (client) => client.on("error", () => undefined));
  const cell = { pool, waiting: [], free: CRON_POOL_SIZE };
  cells.set(key, cell);
  return cell;
}

async function withPooled<T>(pool: pg.Pool, address: CellAddress, work: (session: Session) => Promise<T>): Promise<T> {
  const client = await loggingIn(address, CRON_DATABASE, () => pool.connect());
  try {
    const result = await work(client);
    client.release();
    return result;
  } catch (error) {
    // It may be in the middle of a transaction or of SET ROLE: nobody else gets it.
    client.release(true);
    throw error;
  }
}

/** Runs `work` in one transaction that is rolled back when it throws. */
export async function withTransaction<T>(session: Session, work: () => Promise<T>): Promise<T> {
  await session.query("begin");
  try {
    const result = await work();
    await session.query("commit");
    return result;
  } catch (error) {
    await session.query("rollback").catch(() => undefined);
    throw error;
  }
}

/** How often a transaction is tried that describes objects which others drop meanwhile. */
const ATTEMPTS = 5;

/**
 * As `withTransaction`, and from the beginning when the server met an object that was dropped while it was described
 * ("could not open relation with OID"): its functions that print definitions see the newest catalog, not the snapshot's.
 */
export async function withSteadyTransaction<T>(session: Session, work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await withTransaction(session, work);
    } catch (error) {
      if (codeOf(error) !== SQLSTATE.internalError || attempt === ATTEMPTS) throw error;
    }
  }
}

/**
 * Waits for a lock that ends with the transaction. Advisory locks are per database, so a lock on what belongs to the
 * whole server (roles, pg_cron's tables) is taken in the cron database.
 */
export async function lockInTransaction(session: Session, lock: keyof typeof LOCKS): Promise<void> {
  try {
    // Others of this run take it in turn, each for moments; another run's migration may hold it for long.
    await session.query(`set local lock_timeout = ${ADVISORY_LOCK_TIMEOUT}`);
    await session.query("select pg_catalog.pg_advisory_xact_lock($1::integer, $2::integer)", [LOCK_CLASS, LOCKS[lock]]);
    await session.query(`set local lock_timeout = ${LOCK_TIMEOUT}`);
  } catch (error) {
    if (codeOf(error) !== SQLSTATE.lockNotAvailable) throw error;
    throw new ConvergeError(
      "in_use",
      `another run of merchant-jobs is at work here (lock ${lock}) and has not ended within ` +
        `${ADVISORY_LOCK_TIMEOUT / 1_000} s; nothing was changed: wait for it, or find it in pg_stat_activity by the ` +
        "name merchant-jobs converge",
      { cause: error },
    );
  }
}

/** The first key of our advisory locks; the second says what is locked. (Class 7261 is the job engine's, in SQL.) */
const LOCK_CLASS = 7260;
const LOCKS = { migrations: 1, roles: 2, crontab: 3 } as const;

/**
 * A look at the catalogs of a fresh database is planned without statistics, and would start workers, which pg_cron's jobs need
 * (both come out of max_worker_processes), or compile; either takes longer than the look.
 */
const NO_WORKERS = "-c max_parallel_workers_per_gather=0 -c jit=off";

function settings(address: CellAddress, database: string): pg.ClientConfig {
  const common = clientSettings(address, database);
  return {
    ...common,
    options: `${common.options} ${NO_WORKERS}`,
    application_name: "merchant-jobs converge",
    lock_timeout: LOCK_TIMEOUT,
    statement_timeout: STATEMENT_TIMEOUT,
  };
}

/** What every connection of ours has in common; how long it may wait for what is up to who opens it. */
export function clientSettings(address: ServerAddress, database: string) {
  return {
    host: address.host,
    port: address.port,
    user: address.user,
    password: passwordOf(address.password),
    database,
    ssl: address.tls === "verify-full" ? verified(address) : false,
    connectionTimeoutMillis: CONNECT_TIMEOUT,
    keepAlive: true,
    // Nothing is found by luck: every name is qualified, and catalog functions print names with their schema.
    options: "-c search_path=",
  } satisfies pg.ClientConfig;
}

/** A source is asked again for each connection of a pool. */
function passwordOf(password: string | PasswordSource): string | (() => Promise<string>) {
  return typeof password === "string" ? password : () => password.current();
}

/** Checks the certificate's name against the address that was asked for, also when that is an IP address. */
function verified({ host, ca }: ServerAddress): ConnectionOptions {
  return {
    rejectUnauthorized: true,
    checkServerIdentity: (_name, certificate) => checkServerIdentity(host, certificate),
    ...(ca !== undefined && { ca }),
  };
}

/**
 * Whether a connection failed because somebody shut the database: no connections allowed, or a limit of none. The
 * Database resource shows that and opens it again; that we could not look in is no reason to stop.
 */
export async function isShutDatabase(address: CellAddress, database: string, error: unknown): Promise<boolean> {
  if (!(error instanceof ConvergeError) || error.code !== "not_connected") return false;
  const code = codeOf(error.cause);
  if (code !== SQLSTATE.objectNotInPrerequisiteState && code !== SQLSTATE.tooManyConnections) return false;
  const { rows } = await withCronSession(address, (session) =>
    session.query<{ shut: boolean }>(
      `select not d.datallowconn or d.datconnlimit = 0 as shut
       from pg_catalog.pg_database as d where d.datname = $1::text`,
      [database],
    ),
  );
  return rows[0]?.shut === true;
}
