import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import pg from "pg";
import type { CellAddress } from "./address.ts";
import { compareContents, type Contents, millisecondsUntil, readContents } from "./contents.ts";
import { type DumpPrograms, findDumpPrograms, runDumpProgram } from "./dump-programs.ts";
import { ConvergeError, codeOf, SQLSTATE } from "./errors.ts";
import { beginExportFile, finishExportFile, measureFile, writeManifest } from "./export-files.ts";
import { quoteName } from "./roles.ts";
import { type Session, withCronSession, withSession, withTransaction } from "./session.ts";

/** A merchant whose data is exported. */
export interface ExportTarget {
  readonly address: CellAddress;
  readonly merchant: string;
  readonly database: string;
}

/** An export that was made and verified. */
export interface Exported {
  /** Its absolute path on the machine that made it. */
  readonly file: string;
  /** When, in ISO 8601. */
  readonly at: string;
  readonly bytes: number;
  readonly sha256: string;
  /** What the database held, in the snapshot that was exported. */
  readonly contents: Contents;
}

/**
 * Exports a merchant's database into a new file of a folder, in pg_dump's custom format, and verifies it: the file is
 * restored into a scratch database of the same server, which must hold the same rows and sums. Throws `export_failed`;
 * then there is no file of that name. `until` is a time as Date.now() gives it.
 */
export async function exportMerchant(target: ExportTarget, folder: string, until: number): Promise<Exported> {
  const { address, merchant, database } = target;
  const { major, like } = await readServer(target);
  const programs = await findDumpPrograms(major);
  const at = new Date();
  const files = await beginExportFile(folder, { cell: address.cell, merchant }, at);
  try {
    const contents = await dump(target, programs, files.partial, until);
    await verify(target, programs, files.partial, { like, contents, until });
    const measured = await measureFile(files.partial);
    if (measured === undefined) throw failed(target, `${files.partial} is gone`);
    await finishExportFile(files);
    const exported = { file: files.file, at: at.toISOString(), ...measured, contents };
    await writeManifest(files.file, { cell: address.cell, merchant, database, postgresql: major, ...exported });
    return exported;
  } catch (error) {
    if (codeOf(error) !== SQLSTATE.queryCanceled) throw error;
    throw failed(target, "the time limit of the export was reached while rows were counted", error);
  } finally {
    await rm(files.partial, { force: true });
  }
}

/** Throws `not_exported` when the file of an export is not there any more, or is not what was written. */
export async function assertExportAtHand({ merchant, address }: ExportTarget, exported: Exported): Promise<void> {
  const found = await measureFile(exported.file);
  if (found?.sha256 === exported.sha256) return;
  throw new ConvergeError(
    "not_exported",
    `merchant ${merchant} of cell ${address.cell}: its export ${exported.file} ` +
      `${found === undefined ? "is not here" : "is not the file that was written"}; nothing was dropped: bring it back ` +
      "to this path of the machine that runs up, or take drop and confirm out and name another folder to export again",
  );
}

/** Everything in one snapshot: the figures are of what the file holds, whoever writes meanwhile. */
async function dump(target: ExportTarget, programs: DumpPrograms, file: string, until: number): Promise<Contents> {
  const { address, database } = target;
  return withSession(address, database, (session) =>
    withTransaction(session, async () => {
      await session.query("set transaction isolation level repeatable read, read only");
      await session.query("set local idle_in_transaction_session_timeout = 0");
      await assertReadable(session, target);
      const found = await session.query<{ snapshot: string }>("select pg_catalog.pg_export_snapshot() as snapshot");
      const options = ["--format=custom", `--file=${file}`, "--no-password", "--lock-wait-timeout=10000"];
      const snapshot = `--snapshot=${found.rows[0]?.snapshot ?? ""}`;
      await runDumpProgram(address, database, programs.dump, [...options, snapshot], until);
      return readContents(session, until);
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

async function verify(
  target: ExportTarget,
  programs: DumpPrograms,
  file: string,
  { like, contents, until }: { readonly like: string; readonly contents: Contents; readonly until: number },
): Promise<void> {
  const { address, merchant } = target;
  const scratch = `${scratchPrefix(merchant)}${randomBytes(4).toString("hex")}`;
  await dropScratch(target);
  try {
    await withCronSession(address, async (session) => {
      await session.query(`set statement_timeout = ${millisecondsUntil(until)}`);
      await session.query(`create database ${quoteName(scratch)} ${like}`);
      // Before it holds anything: what is restored without its rights would be open to every role of the server.
      await session.query(`revoke all on database ${quoteName(scratch)} from public`);
      await session.query("reset statement_timeout");
    });
    const options = ["--no-owner", "--no-privileges", "--exit-on-error", "--no-password", `--dbname=${scratch}`];
    await runDumpProgram(address, scratch, programs.restore, [...options, file], until);
    const restored = await withSession(address, scratch, (session) =>
      withTransaction(session, () => readContents(session, until)),
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
