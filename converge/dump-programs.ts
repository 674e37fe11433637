import { execFile, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { rootCertificates } from "node:tls";
import { promisify } from "node:util";
import type { CellAddress } from "./address.ts";
import { ConvergeError, messageOf } from "./errors.ts";
import type { Content } from "./export-place.ts";

/** PostgreSQL's own programs for a server of one major version. */
export interface DumpPrograms {
  readonly dump: string;
  readonly restore: string;
}

/** Names the folder with pg_dump and pg_restore, where they are neither on PATH nor where Debian puts them. */
const FOLDER_VARIABLE = "MERCHANT_JOBS_PG_BIN";

/** Lines of a failed program's output that an error repeats. */
const SHOWN_LINES = 5;
/** Milliseconds that a program gets to end after it was told to. */
const PATIENCE = 5_000;

/**
 * Finds pg_dump and pg_restore of exactly the server's major version: an older one refuses the server, and a newer one
 * writes what the server cannot read. Throws `export_failed`, which says what to install.
 */
export async function findDumpPrograms(major: number): Promise<DumpPrograms> {
  const seen: string[] = [];
  for (const folder of folders(major)) {
    const programs = { dump: path.join(folder, "pg_dump"), restore: path.join(folder, "pg_restore") };
    const versions = await Promise.all([majorOf(programs.dump), majorOf(programs.restore)]);
    if (versions.every((version) => version === major)) return programs;
    if (versions[0] !== undefined) seen.push(`${programs.dump} is of version ${versions[0]}`);
  }
  throw new ConvergeError(
    "export_failed",
    `the server is PostgreSQL ${major}, and there is no pg_dump and pg_restore ${major} here` +
      `${seen.length > 0 ? ` (${seen.join(", ")})` : ""}; nothing was exported: install them (Debian: ` +
      `postgresql-client-${major}), or name their folder in the environment variable ${FOLDER_VARIABLE}`,
  );
}

function folders(major: number): readonly string[] {
  const named = process.env[FOLDER_VARIABLE];
  if (named !== undefined && named !== "") return [named];
  const onPath = (process.env["PATH"] ?? "").split(path.delimiter).filter((folder) => path.isAbsolute(folder));
  // Debian's pg_dump on PATH is that of the newest version; each version has a folder of its own.
  return [...new Set([`/usr/lib/postgresql/${major}/bin`, ...onPath])];
}

/** The major version that a program says it is of; undefined when there is no such program. */
async function majorOf(program: string): Promise<number | undefined> {
  try {
    const { stdout } = await promisify(execFile)(program, ["--version"], { env: bare(), timeout: PATIENCE });
    const version = /\(PostgreSQL\) (\d+)/.exec(stdout)?.[1];
    return version === undefined ? undefined : Number(version);
  } catch {
    return undefined;
  }
}

/** Nothing of the caller's environment: its PG* variables would change what the programs do. */
function bare(): Record<string, string> {
  return { PATH: process.env["PATH"] ?? "/usr/bin:/bin", LC_ALL: "C", HOME: "/" };
}

/** What goes into a program, or comes out of it. */
export type DumpStream =
  | { readonly input: Content }
  /** Takes what the program writes, which comes to its end only if the program ended well. */
  | { readonly takeOutput: (content: Content) => Promise<void> };

/**
 * Runs one of the programs against a database of a cell until it ends, or until a time (as Date.now() gives it). The
 * password goes by its environment: no command line and no file has it. Throws `export_failed`, and what the stream's other
 * end threw.
 */
export async function runDumpProgram(
  address: CellAddress,
  database: string,
  program: string,
  args: readonly string[],
  stream: DumpStream,
  until: number,
): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), "merchant-jobs-"));
  try {
    const authorities = path.join(folder, "ca.pem");
    if (address.tls === "verify-full") writeFileSync(authorities, address.ca ?? rootCertificates.join("\n"));
    const env = {
      ...bare(),
      PGHOST: address.host,
      PGPORT: String(address.port),
      PGUSER: address.user,
      PGPASSWORD: typeof address.password === "string" ? address.password : await address.password.current(),
      PGPASSFILE: "/dev/null",
      PGDATABASE: database,
      PGSSLMODE: address.tls,
      ...(address.tls === "verify-full" && { PGSSLROOTCERT: authorities }),
      PGGSSENCMODE: "disable",
      PGCONNECT_TIMEOUT: "10",
      PGAPPNAME: "merchant-jobs converge",
    };
    const run = start(program, args, env, until);
    const assertWell = async () => {
      const { status, text } = await run.ended;
      if (status === 0) return;
      const name = path.basename(program);
      const why = status === "late" ? "did not end within the time limit of the export" : "failed";
      const what = `cell ${address.cell}, database ${database}: ${name} ${why}`;
      throw new ConvergeError("export_failed", [what, ...lastLines(text)].join("\n"));
    };
    try {
      if ("input" in stream) await feed(run.child.stdin, stream.input, assertWell);
      else await stream.takeOutput(outputOf(run.child.stdout, assertWell));
      await assertWell();
    } finally {
      run.child.kill("SIGKILL");
      await run.ended;
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function* outputOf(output: Content, assertWell: () => Promise<void>): AsyncGenerator<Uint8Array> {
  yield* output;
  await assertWell();
}

/** When the program stops reading it has failed, and says why. */
async function feed(into: NodeJS.WritableStream, input: Content, assertWell: () => Promise<void>): Promise<void> {
  const broken: unknown[] = [];
  const guarded = async function* () {
    try {
      yield* input;
    } catch (error) {
      broken.push(error);
      throw error;
    }
  };
  try {
    await pipeline(guarded, into);
  } catch (error) {
    if (broken.length === 0) await assertWell();
    throw error;
  }
}

interface Ended {
  readonly status: number | "late";
  /** The end of what it said. */
  readonly text: string;
}

function start(program: string, args: readonly string[], env: Record<string, string>, until: number) {
  const child = spawn(program, args, { cwd: "/", env, stdio: ["pipe", "pipe", "pipe"] });
  const ended = new Promise<Ended>((resolve) => {
    let text = "";
    let late = false;
    let killing: NodeJS.Timeout | undefined;
    const ending = setTimeout(
      () => {
        late = true;
        child.kill("SIGTERM");
        killing = setTimeout(() => child.kill("SIGKILL"), PATIENCE);
      },
      Math.max(0, until - Date.now()),
    );
    const end = (status: number | "late") => {
      clearTimeout(ending);
      clearTimeout(killing);
      resolve({ status, text });
    };
    child.stdin.on("error", () => undefined);
    child.stderr.setEncoding("utf8").on("data", (more: string) => (text = (text + more).slice(-20_000)));
    child.on("error", (error) => {
      text += messageOf(error);
      end(-1);
    });
    child.on("close", (status) => {
      end(late ? "late" : (status ?? -1));
    });
  });
  return { child, ended };
}

function lastLines(text: string): readonly string[] {
  return text
    .split("\n")
    .filter((line) => line.trim() !== "")
    .slice(-SHOWN_LINES)
    .map((line) => `  ${line}`);
}
