// PostgreSQL 17 with pg_cron 1.6 beside what the machine has: the packages of Debian 13, unpacked into a folder of .local/.
import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import { access, mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import path from "node:path";
import { runProgram } from "../local/postgres/programs.ts";

const repository = path.dirname(import.meta.dirname);
/**
 * Where it lies once it is there; paths of it are in its programs, so that it cannot be moved. Not in the repository where the
 * server's user may not go into a folder above it.
 */
const folder = isOpen(repository)
  ? path.join(repository, ".local", "cache", "postgresql-17")
  : `/var/tmp/merchant-jobs-postgresql-17-${createHash("sha256").update(repository).digest("hex").slice(0, 12)}`;
/** Laid out as MERCHANT_JOBS_POSTGRES_ROOT wants it. */
export const postgres17Root = path.join(folder, "usr", "lib", "postgresql");
const ready = path.join(folder, "ready");

/** What is unpacked: the server, its libraries and its data. The rest of a small Debian is downloaded with it and not needed. */
const NEEDED = /^(postgresql-(client-)?17|lib|zlib|tzdata)/;

/** Provides it: a minute the first time, nothing after that. Fails, saying what to install, where it cannot. */
export async function providePostgres17(log: (line: string) => void): Promise<void> {
  if (await isThere(ready)) return;
  log("unpacking PostgreSQL 17 with pg_cron from Debian 13: a minute, once");
  await provideTools(log);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  // debootstrap fetches nothing into a folder whose path has a blank.
  const packages = await mkdtemp("/var/tmp/merchant-jobs-packages-");
  const include = "--include=postgresql-17,postgresql-17-cron";
  await run("debootstrap", ["--download-only", "--variant=minbase", include, "trixie", packages]);
  const archives = path.join(packages, "var", "cache", "apt", "archives");
  for (const name of (await readdir(archives)).filter((name) => NEEDED.test(name)))
    await run("dpkg-deb", ["--extract", path.join(archives, name), folder]);
  await useOwnLibraries();
  await rm(packages, { recursive: true, force: true });
  await mkdir(`${ready}.new`);
  await rename(`${ready}.new`, ready);
}

/** Debian 13's C library is newer than that of the machine, so the programs get the loader and the libraries beside them. */
async function useOwnLibraries(): Promise<void> {
  const libraries = path.join(folder, "usr", "lib", `${machine()}-linux-gnu`);
  const loader = (await readdir(libraries)).find((name) => name.startsWith("ld-linux-"));
  if (loader === undefined) throw new Error(`${libraries} has no loader`);
  const programs = path.join(postgres17Root, "17", "bin");
  for (const name of await readdir(programs)) {
    const search = ["--force-rpath", "--set-rpath", libraries];
    await run("patchelf", ["--set-interpreter", path.join(libraries, loader), ...search, path.join(programs, name)]);
  }
}

/** Whether everybody may go through this folder and those above it. */
function isOpen(to: string): boolean {
  return (statSync(to).mode & 0o001) !== 0 && (to === path.dirname(to) || isOpen(path.dirname(to)));
}

function machine(): string {
  return process.arch === "arm64" ? "aarch64" : "x86_64";
}

async function provideTools(log: (line: string) => void): Promise<void> {
  const missing = [];
  for (const tool of ["debootstrap", "patchelf"])
    if (!(await isThere(`/usr/sbin/${tool}`)) && !(await isThere(`/usr/bin/${tool}`))) missing.push(tool);
  if (missing.length === 0) return;
  log(`installing ${missing.join(" and ")} with apt-get`);
  await run("apt-get", ["update"]);
  await run("apt-get", ["install", "--yes", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300", ...missing]);
}

async function run(program: string, args: readonly string[]): Promise<void> {
  const { status, stderr, stdout } = await runProgram(program, args);
  if (status === 0) return;
  throw new Error(
    `${program} ${args.join(" ")} failed. The tests on PostgreSQL 17 need Debian or Ubuntu, root, and the packages ` +
      `debootstrap and patchelf.\n${(stderr || stdout).split("\n").slice(-8).join("\n")}`,
  );
}

async function isThere(file: string): Promise<boolean> {
  return await access(file).then(
    () => true,
    () => false,
  );
}
