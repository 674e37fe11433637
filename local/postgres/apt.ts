import { access } from "node:fs/promises";
import { LocalServerError } from "./errors.ts";
import type { Found } from "./installation.ts";
import { lastLines, type ProgramResult, runProgram } from "./programs.ts";

/** May run apt-get: the words that come before it (`sudo -n env …`). Or may not: the reason. */
type Permission = { readonly prefix: readonly [string, ...string[]] } | { readonly refused: string };

/**
 * Installs pg_cron with apt-get, for the newest PostgreSQL server that is there already or else with the newest one
 * that apt knows. Says through `log` what it installs and why. Throws `postgres_missing` when it may not or cannot,
 * `install_failed` when apt-get fails.
 */
export async function installWithApt(found: Found, log: (line: string) => void): Promise<void> {
  const permission = await askPermission();
  if ("refused" in permission) throw missingPostgres(permission.refused, found);
  const { prefix } = permission;

  let majors = await majorsThatAptKnows();
  if (majors.length === 0) {
    log("apt knows no package with pg_cron yet: apt-get update");
    await aptGet(prefix, ["update"]);
    majors = await majorsThatAptKnows();
  }
  const major = found.withoutCron.find((installed) => majors.includes(installed)) ?? majors[0];
  if (major === undefined) throw missingPostgres("apt knows no package postgresql-NN-cron", found);

  const packages = found.withoutCron.includes(major)
    ? [cronPackage(major)]
    : [serverPackage(major), cronPackage(major)];
  log(`installing ${packages.join(" and ")} with apt-get: the local server needs a PostgreSQL with pg_cron`);
  if (packages.length > 1)
    log("(Debian makes a server of its own with it, on port 5432; this project does not use it)");
  await aptGetInstall(prefix, packages, `Run it by hand, or:\n${waysOn(major)}`);
}

/**
 * Installs the package of an extension for a PostgreSQL that apt-get installed. Throws `extension_missing` when it may
 * not, `install_failed` when apt-get fails; both say what to install.
 */
export async function installExtension(major: number, extension: string, log: (line: string) => void): Promise<void> {
  const name = `postgresql-${major}-${extension.replaceAll("_", "-")}`;
  const byHand = `install it: sudo apt-get update && sudo apt-get install --yes ${name}`;
  const permission = await askPermission();
  if ("refused" in permission) {
    throw new LocalServerError(
      "extension_missing",
      `PostgreSQL ${major} has no extension ${extension}, and it was not installed: ${permission.refused}; ${byHand}`,
    );
  }
  log(`installing ${name} with apt-get`);
  await aptGetInstall(permission.prefix, [name], byHand);
}

async function aptGetInstall(
  prefix: readonly [string, ...string[]],
  packages: readonly string[],
  otherwise: string,
): Promise<void> {
  const install = ["install", "--yes", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300", ...packages];
  let result = await aptGet(prefix, install);
  if (result.status !== 0) {
    // Lists that are older than the mirror name files that the mirror no longer has.
    await aptGet(prefix, ["update"]);
    result = await aptGet(prefix, install);
  }
  if (result.status !== 0) {
    const command = `apt-get ${install.join(" ")}`;
    throw new LocalServerError(
      "install_failed",
      `${command} failed:\n${lastLines(result.stderr || result.stdout, 8)}\n${otherwise}`,
    );
  }
}

/** The error for a machine without PostgreSQL with pg_cron: what is missing, why it was not installed, three ways on. */
export function missingPostgres(reason: string, found: Found): LocalServerError {
  const major = found.withoutCron[0];
  const what =
    major === undefined
      ? "There is no PostgreSQL server on this machine."
      : `PostgreSQL ${major} is on this machine, but not its extension pg_cron.`;
  return new LocalServerError(
    "postgres_missing",
    `${what} It was not installed: ${reason}. Three ways to go on:\n${waysOn(major ?? 15)}`,
  );
}

function waysOn(major: number): string {
  return [
    "  1. On Debian or Ubuntu, install it and start again:",
    `       sudo apt-get update && sudo apt-get install --yes ${serverPackage(major)} ${cronPackage(major)}`,
    "     (Debian 12 has 15, Ubuntu 24.04 has 16; apt.postgresql.org has every version.)",
    "  2. Use a container image that has pg_cron, as a server of your own (3.); the official image and one package:",
    `       printf 'FROM postgres:${major}\\nRUN apt-get update && apt-get install --yes ${cronPackage(major)}\\n' | docker build --tag postgres-cron -`,
    "       docker run --detach --publish 127.0.0.1:5433:5432 --env POSTGRES_PASSWORD --env POSTGRES_DB=cron postgres-cron \\",
    "         -c shared_preload_libraries=pg_cron,pg_stat_statements -c cron.database_name=cron \\",
    "         -c cron.use_background_workers=on -c max_worker_processes=20",
    "  3. Use a server of your own: as its superuser run `create extension pg_cron` and sql/server/administrator.sql in its",
    "     cron database, give platform_admin a password, and name it in the stack file:",
    "       merchant-jobs:cells:",
    "         home: {kind: server, host: db.example.com, port: 5432, admin: platform_admin, credential: {env: HOME_CELL_PASSWORD}}",
  ].join("\n");
}

async function askPermission(): Promise<Permission> {
  const isThere = await access("/usr/bin/apt-get").then(
    () => true,
    () => false,
  );
  if (!isThere) return { refused: "this machine has no apt-get" };
  const words = ["env", "DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_MODE=l", "apt-get"] as const;
  if (process.getuid?.() === 0) return { prefix: words };
  const sudo = await runProgram("sudo", ["-n", "true"]);
  if (sudo.status === 0) return { prefix: ["sudo", "-n", ...words] };
  return { refused: "apt-get needs root, and sudo asks for a password or is not there" };
}

async function aptGet(prefix: readonly [string, ...string[]], args: readonly string[]): Promise<ProgramResult> {
  const [command, ...rest] = prefix;
  return await runProgram(command, [...rest, ...args]);
}

/** Majors for which apt has the package with pg_cron, newest first. */
async function majorsThatAptKnows(): Promise<readonly number[]> {
  const result = await runProgram("apt-cache", ["search", "--names-only", "^postgresql-[0-9]+-cron$"]);
  return [...result.stdout.matchAll(/^postgresql-(\d+)-cron\b/gm)]
    .map((match) => Number(match[1]))
    .sort((a, b) => b - a);
}

const serverPackage = (major: number): string => `postgresql-${major}`;
const cronPackage = (major: number): string => `postgresql-${major}-cron`;
