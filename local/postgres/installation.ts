import { access, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { hasSystemCode } from "./errors.ts";

/** A PostgreSQL of this machine. */
export interface Installation {
  readonly major: number;
  readonly binFolder: string;
  /** pg_cron got `cron.timezone` after 1.4; PostgreSQL 15 and later warn about a setting that the library does not know. */
  readonly knowsTimezone: boolean;
  readonly hasCron: boolean;
}

/** Which majors lie below a search root: with pg_cron, and servers without it; both newest first. */
export interface Found {
  readonly withCron: readonly Installation[];
  readonly withoutCron: readonly number[];
}

/**
 * Where the packages postgresql-NN of Debian, Ubuntu and apt.postgresql.org put their programs, unless the environment's
 * MERCHANT_JOBS_POSTGRES_ROOT names another folder that is laid out so.
 */
export const installationRoot = process.env["MERCHANT_JOBS_POSTGRES_ROOT"] ?? "/usr/lib/postgresql";

/** Looks for PostgreSQL servers below `root`, laid out as Debian does it: `NN/bin/postgres`, `NN/lib/pg_cron.so`. */
export async function findInstallations(root: string = installationRoot): Promise<Found> {
  const majors = (await namesIn(root))
    .filter((name) => /^[1-9]\d$/.test(name))
    .map(Number)
    .sort((a, b) => b - a);
  const withCron: Installation[] = [];
  const withoutCron: number[] = [];
  for (const major of majors) {
    const binFolder = join(root, String(major), "bin");
    if (!(await exists(join(binFolder, "postgres"))) || !(await exists(join(binFolder, "initdb")))) continue;
    const library = await readIfExists(join(root, String(major), "lib", "pg_cron.so"));
    if (library === undefined) withoutCron.push(major);
    else withCron.push({ major, binFolder, knowsTimezone: library.includes("cron.timezone\0"), hasCron: true });
  }
  return { withCron, withoutCron };
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (hasSystemCode(error, "ENOENT", "ENOTDIR")) return [];
    throw error;
  }
}

async function readIfExists(file: string): Promise<Buffer | undefined> {
  try {
    return await readFile(file);
  } catch (error) {
    if (hasSystemCode(error, "ENOENT")) return undefined;
    throw error;
  }
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
