import { randomBytes } from "node:crypto";
import pg from "pg";
import type { CellAddress } from "./address.ts";
import { compareContents, type Contents, millisecondsUntil, readContents } from "./contents.ts";
import { type DumpPrograms, findDumpPrograms, runDumpProgram } from "./dump-programs.ts";
import { ConvergeError, codeOf, SQLSTATE } from "./errors.ts";
import { beginExport, type Measured, measureExport, Measuring, type NewExport } from "./export-place.ts";
import { quoteName } from "./roles.ts";
import { type Session, withCronSession, withSession, withTransaction } from "./session.ts";

/** A merchant whose data is exported. */
export interface ExportTarget {
  readonly address: CellAddress;
  readonly merchant: string;
  readonly database: string;
}

/** An export that was made and verified. */
export interface Exported extends Measured {
  /** Its absolute path on the machine that made it, or its address in S3. */
  readonly file: string;
  /** When, in ISO 8601. */
  readonly at: string;
  /** What the database held, in the snapshot that was exported. */
  readonly contents: Contents;
}

/**
 * Exports a merchant's database to a new file of a folder, or a new object below an address of S3, in pg_dump's custom
 * format, and verifies it: what is stored is read again and restored into a scratch database of the same server, which
 * must hold the same rows and sums. `rest` is called in between, when all that can be known beforehand is well. `until` is
 * a time as Date.now() gives it. Throws `export_failed` or `missing_right`; then nothing there looks complete.
 */
export async function exportMerchant(
  target: ExportTarget,
  where: string,
  until: number,
  rest: () => Promise<void> = () => Promise.resolve(),
): Promise<Exported> {
  const { address, merchant, database } = target;
  const { major, like } = await readServer(target);
  const programs = await findDumpPrograms(major);
  const made = await beginExport(where, { cell: address.cell, merchant }, until);
  try {
    await withSession(address, database, (session) => assertReadable(session, target));
    await rest();
    const at = new Date().toISOString();
    const { contents, ...measured } = await dump(target, programs, made, until);
    await verify(target, programs, made, { like, contents, measured, until });
    const exported = { file: made.file, at, ...measured, contents };
    await made.finish({ cell: address.cell, merchant, database, postgresql: major, ...exported });
    return exported;
  } finally {
    await made.discard();
  }
}

/** What is out of time is an export that failed. */
async function inTime<T>(target: ExportTarget, what: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (codeOf(error) !== SQLSTATE.queryCanceled) throw error;
    throw failed(target, `the time limit of the export was reached while ${what}`, error);
  }
}

function countRows(session: Session, target: ExportTarget, until: number): Promise<Contents> {
  return inTime(target, "rows were counted", readContents(session, until));
}

/**
 * Throws `not_exported` when an export is not there any more, or is not what was written, and `export_failed` when it
 * cannot be read. All of it is read, until a time as Date.now() gives it.
 */
export async function assertExportAtHand(target: ExportTarget, exported: Exported, until: number): Promise<void> {
  const { merchant, address } = target;
  const found = await measureExport(exported.file, { cell: address.cell, merchant }, until);
  if (found?.sha256 === exported.sha256) return;
  throw new ConvergeError(
    "not_exported",
    `merchant ${merchant} of cell ${address.cell}: its export ${exported.file} ` +
      `${found === undefined ? "is not there" : "is not the file that was written"}; nothing was dropped: bring it back ` +
      "to this path of the machine that runs up, or this address, or take drop and confirm out and name another place to " +
      "export again",
  );
}

/** Everything in one snapshot: the figures are of what the file holds, whoever writes meanwhile. */
async function dump(
  target: ExportTarget,
  programs: DumpPrograms,
  made: NewExport,
  until: number,
): Promise<Measured & { readonly contents: Contents }> {
  const { address, database } = target;
  return withSession(address, database, (session) =>
    withTransaction(session, async () => {
      await session.query("set transaction isolation level repeatable read, read only");
      await session.query("set local idle_in_transaction_session_timeout = 0");
      await assertReadable(session, target);
      const found = await session.query<{ snapshot: string }>("select pg_catalog.pg_export_snapshot() as snapshot");
      const snapshot = `--snapshot=${found.rows[0]?.snapshot ?? ""}`;
      const options = ["--format=custom", "--no-password", "--lock-wait-timeout=10000", snapshot];
      const measuring = new Measuring();
      const takeOutput = (content: AsyncIterable<Uint8Array>) => made.write(measuring.of(content));
      await runDumpProgram(address, database, programs.dump, options, { takeOutput }, until);
      return { ...measuring.result(), contents: await countRows(session, target, until) };
    }),
  );
}

/** Throws `missing_right` with the statements that let the administrator read what somebody else made there. */
async function assertReadable(session: Session, { address, merchant, database }: ExportTarget): Promise<void> {
  const { rows } = await session.query<{ statement: string }>(
    `select distinct s.statement
     from pg_catalog.pg_class as c
     join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
     cross join lateral (values
       (pg_catalog.has_schema_privilege(n.oid, 'usage'),
         pg_catalog.format('grant usage on schema %I to %I;', n.nspname, current_user)),
       (pg_catalog.has_table_privilege(c.oid, 'select'),
         pg_catalog.format('grant select on %s%I.%I to %I;', case when c.relkind = 'S' then 'sequence ' else '' end,
           n.nspname, c.relname, current_user))
     ) as s (allowed, statement)
     where c.relkind in ('r', 'p', 'S', 'm') and c.relpersistence <> 't'
       and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
       and not s.allowed
     union all
     select pg_catalog.format('grant select on large object %s to %I;',
       pg_catalog.string_agg(o.oid::text, ', ' order by o.oid), current_user)
     from pg_catalog.pg_largeobject_metadata as o
     where not pg_catalog.pg_has_role(o.lomowner, 'usage')
       and not exists (
         select from pg_catalog.aclexplode(o.lomacl) as a
         where a.privilege_type = 'SELECT' and (a.grantee = 0 or pg_catalog.pg_has_role(a.grantee, 'usage'))
       )
     having pg_catalog.count(*) > 0
     order by 1`,
  );
  if (rows.length === 0) return;
  throw new ConvergeError(
    "missing_right",
    `merchant ${merchant} of cell ${address.cell}: nothing was exported, because ${address.user} may not read all of ` +
      `database ${database}; a superuser can let it, there: ${rows.map(({ statement }) => statement).join(" ")}`,
  );
}

interface Server {
  /** 15, 16, … */
  readonly major: number;
  /** The clauses of CREATE DATABASE that make one that takes the same text. */
  readonly like: string;
}

async function readServer({ address, merchant, database }: ExportTarget): Promise<Server> {
  const { rows } = await withCronSession(address, (session) =>
    session.query<{ version: string; encoding: string; collate: string; ctype: string }>(
      `select pg_catalog.current_setting('server_version_num') as version,
         pg_catalog.pg_encoding_to_char(d.encoding) as encoding, d.datcollate as "collate", d.datctype as ctype
       from pg_catalog.pg_database as d where d.datname = $1::text`,
      [database],
    ),
  );
  const row = rows[0];
  if (row === undefined) throw failed({ address, merchant, database }, `there is no database ${database}`);
  const [encoding, collate, ctype] = [row.encoding, row.collate, row.ctype].map(pg.escapeLiteral);
  return {
    major: Math.floor(Number(row.version) / 10_000),
    like: `template template0 encoding ${encoding ?? ""} lc_collate ${collate ?? ""} lc_ctype ${ctype ?? ""}`,
  };
}

/** No merchant's database has a hyphen in its name, and pg_cron has no job in one that nobody schedules in. */
function scratchPrefix(merchant: string): string {
  return `mj-verify-${merchant}-`;
}

interface Verification {
  /** What the database held, and the export that was made of it. */
  readonly contents: Contents;
  readonly measured: Measured;
  readonly until: number;
}

async function verify(
  target: ExportTarget,
  programs: DumpPrograms,
  made: NewExport,
  { like, contents, measured, until }: Pick<Server, "like"> & Verification,
): Promise<void> {
  const { address, merchant } = target;
  const scratch = `${scratchPrefix(merchant)}${randomBytes(4).toString("hex")}`;
  await dropScratch(target);
  try {
    await withCronSession(address, async (session) => {
      await session.query(`set statement_timeout = ${millisecondsUntil(until)}`);
      const created = session.query(`create database ${quoteName(scratch)} ${like}`);
      await inTime(target, "its copy was made", created);
      // Before it holds anything: what is restored without its rights would be open to every role of the server.
      await session.query(`revoke all on database ${quoteName(scratch)} from public`);
      await session.query("reset statement_timeout");
    });
    const options = ["--no-owner", "--no-privileges", "--exit-on-error", "--no-password", `--dbname=${scratch}`];
    const measuring = new Measuring();
    const input = measuring.of(await made.read());
    await runDumpProgram(address, scratch, programs.restore, options, { input }, until);
    if (measuring.result().sha256 !== measured.sha256)
      throw failed(target, `${made.file} does not hold what was written`);
    const restored = await withSession(address, scratch, (session) =>
      withTransaction(session, () => countRows(session, target, until)),
    );
    const differences = compareContents(contents, restored);
    if (differences.length > 0) {
      throw failed(
        target,
        `what was restored from the export is not what the database holds: ${differences.join("; ")}`,
      );
    }
  } finally {
    await dropScratch(target);
  }
}

/** Drops the scratch databases of a merchant: this run's, and those of runs that were killed. */
export async function dropScratch({ address, merchant }: ExportTarget): Promise<void> {
  await withCronSession(address, async (session) => {
    const left = await session.query<{ name: string }>(
      "select d.datname as name from pg_catalog.pg_database as d where pg_catalog.starts_with(d.datname, $1::text)",
      [scratchPrefix(merchant)],
    );
    for (const { name } of left.rows) await dropDatabase(session, name);
  });
}

async function dropDatabase(session: Session, name: string): Promise<void> {
  await session.query(`drop database if exists ${quoteName(name)} with (force)`);
}

function failed({ address, merchant }: ExportTarget, what: string, cause?: unknown): ConvergeError {
  return new ConvergeError(
    "export_failed",
    `merchant ${merchant} of cell ${address.cell}: ${what}; it was not exported, and its jobs rest: run up again`,
    { cause },
  );
}
