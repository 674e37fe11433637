import { setTimeout as pause } from "node:timers/promises";
import { compareContents, type Contents, readContents } from "./contents.ts";
import { ConvergeError, codeOf, messageOf, SQLSTATE } from "./errors.ts";
import { assertExportAtHand, type Exported } from "./export.ts";
import { type Leaver, markDropping } from "./offboard.ts";
import { quoteName } from "./roles.ts";
import { lockInTransaction, type Session, withCronSession, withSession, withTransaction } from "./session.ts";

/** Milliseconds that a session gets to end after it was told to. */
const PATIENCE = 10_000;
const INTERVAL = 100;

/**
 * Makes a merchant ready to be dropped: marks it in the registry, sees that its export is where it was written, lets none of
 * its roles log in, shuts its database and ends all sessions in it, and then makes sure that it still holds what was
 * exported. Nobody can write to it from then on, and only then its crontab may be deleted. When one of these is not so, or
 * somebody's session cannot be ended, everything is as it was before and it throws `not_exported`, `export_failed` or
 * `in_use`. `until` is a time as Date.now() gives it.
 */
export async function beginDrop(leaver: Leaver, exported: Exported, until: number): Promise<void> {
  // A mark that an earlier run left says nothing of this one.
  await markDropping(leaver, "begun");
  try {
    await assertExportAtHand(leaver, exported, until);
    await setLogin(leaver, false);
    if (await hasDatabase(leaver)) await shutAndCompare(leaver, exported.contents, until);
    await markDropping(leaver, "ready");
  } catch (error) {
    // A run that is killed here leaves it shut; the next one goes on, or takes it back (`takeBack`).
    const left = await takeBack(leaver).then(
      () => undefined,
      (reason: unknown) => messageOf(reason),
    );
    if (left === undefined) throw error;
    throw new ConvergeError(
      "in_use",
      `merchant ${leaver.merchant} of cell ${leaver.address.cell}: nothing was dropped (${messageOf(error)}), and it could ` +
        `not be opened again (${left}): its database may be shut and its roles may not log in. Run up again to go on, or ` +
        "take drop and confirm out and run up --refresh",
      { cause: error },
    );
  }
}

async function shutAndCompare(leaver: Leaver, exported: Contents, until: number): Promise<void> {
  await setOpen(leaver, true);
  // The one session that is in the database before it is shut is the only one that is left then.
  await withSession(leaver.address, leaver.database, async (session) => {
    await setOpen(leaver, false);
    await endSessions(leaver, await pidOf(session));
    const differences = compareContents(dataOf(exported), dataOf(await readNow(session, until)));
    if (differences.length > 0) throw changed(leaver, differences);
    // Who was let in just before it was shut, and shows only now.
    const late = await readVisitors(leaver, await pidOf(session));
    if (late.length > 0) throw inUse(leaver, late);
  });
}

/** Without our own bookkeeping, which a release changes too: it is no data of the merchant's. */
function dataOf(contents: Contents): Contents {
  return Object.fromEntries(Object.entries(contents).filter(([name]) => !name.startsWith("merchant_jobs.")));
}

/** Undoes `beginDrop`: the merchant's roles may log in, its database is open, and it is not marked any more. */
export async function takeBack(leaver: Leaver): Promise<void> {
  if (await hasDatabase(leaver)) await setOpen(leaver, true);
  await setLogin(leaver, true);
  await markDropping(leaver, undefined);
}

async function readNow(session: Session, until: number): Promise<Contents> {
  return withTransaction(session, async () => {
    await session.query("set transaction read only");
    return readContents(session, until);
  });
}

async function pidOf(session: Session): Promise<number> {
  const { rows } = await session.query<{ pid: number }>("select pg_catalog.pg_backend_pid() as pid");
  return rows[0]?.pid ?? 0;
}

async function hasDatabase({ address, database }: Leaver): Promise<boolean> {
  const { rows } = await withCronSession(address, (session) =>
    session.query("select from pg_catalog.pg_database where datname = $1::text", [database]),
  );
  return rows.length > 0;
}

async function setOpen({ address, database }: Leaver, open: boolean): Promise<void> {
  await withCronSession(address, (session) =>
    session.query(`alter database ${quoteName(database)} allow_connections ${String(open)}`),
  );
}

/** The owner role never logs in. */
async function setLogin({ address, appRole, jobRole }: Leaver, login: boolean): Promise<void> {
  await withCronSession(address, (session) =>
    withTransaction(session, async () => {
      await lockInTransaction(session, "roles");
      const { rows } = await session.query<{ name: string }>(
        `select r.rolname as name from pg_catalog.pg_roles as r
         where r.rolname = any ($1::text[]) and r.rolcanlogin <> $2::boolean`,
        [[appRole, jobRole], login],
      );
      for (const { name } of rows) await session.query(`alter role ${quoteName(name)} ${login ? "login" : "nologin"}`);
    }),
  );
}

interface Visitor {
  readonly who: string;
  readonly superuser: boolean;
  readonly pid: number | null;
}

/**
 * Ends every session in the merchant's database but one. An administrator that is no superuser cannot end a superuser's;
 * a prepared transaction has no session. Throws `in_use`, naming what is left.
 */
async function endSessions(leaver: Leaver, spared: number): Promise<void> {
  const end = Date.now() + PATIENCE;
  for (;;) {
    const visitors = await readVisitors(leaver, spared);
    if (visitors.length === 0) return;
    const endable = visitors.filter(({ superuser, pid }) => !superuser && pid !== null);
    if (endable.length === 0 || Date.now() >= end) throw inUse(leaver, visitors);
    try {
      await withCronSession(leaver.address, (session) =>
        session.query("select pg_catalog.pg_terminate_backend(pid) from unnest($1::integer[]) as pid", [
          endable.map(({ pid }) => pid),
        ]),
      );
    } catch (error) {
      if (codeOf(error) === SQLSTATE.insufficientPrivilege) throw inUse(leaver, visitors, error);
      throw error;
    }
    await pause(INTERVAL);
  }
}

async function readVisitors({ address, database }: Leaver, spared: number): Promise<readonly Visitor[]> {
  const { rows } = await withCronSession(address, (session) =>
    session.query<Visitor>(
      `select pg_catalog.format('process %s of %s (%s, from %s)', a.pid, a.usename,
           coalesce(nullif(a.application_name, ''), 'without a name'), coalesce(pg_catalog.host(a.client_addr), 'this machine')) as who,
         coalesce(r.rolsuper, false) as superuser, a.pid
       from pg_catalog.pg_stat_activity as a
       left join pg_catalog.pg_roles as r on r.oid = a.usesysid
       where a.datname = $1::text and a.pid <> $2::integer and a.usesysid is not null
       union all
       select pg_catalog.format('the prepared transaction %s of %s', p.gid, p.owner), false, null
       from pg_catalog.pg_prepared_xacts as p where p.database = $1::text`,
      [database, spared],
    ),
  );
  return rows;
}

function inUse({ address, merchant, database }: Leaver, visitors: readonly Visitor[], cause?: unknown): ConvergeError {
  return new ConvergeError(
    "in_use",
    `merchant ${merchant} of cell ${address.cell}: nothing was dropped, because ${visitors.map(({ who }) => who).join(", ")} ` +
      `is in database ${database} and ${address.user} cannot end that: end it, then run up again`,
    { cause },
  );
}

function changed({ address, merchant }: Leaver, differences: readonly string[]): ConvergeError {
  return new ConvergeError(
    "not_exported",
    `merchant ${merchant} of cell ${address.cell}: nothing was dropped, because its database does not hold what was ` +
      `exported: ${differences.join("; ")}. Stop the application, take drop and confirm out, name another place to ` +
      "export again, run up, and drop then",
  );
}
