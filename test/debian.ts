import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import path from "node:path";

const unpacked = path.join(import.meta.dirname, "..", ".local", "debian");

/**
 * The folder with the files of a Debian package, which is fetched and unpacked below .local/ and not installed: these
 * bring services that would start. `withDependencies`: those that are not installed on this machine too.
 */
export function unpackDebian(name: string, options: { readonly withDependencies?: boolean } = {}): string {
  const folder = path.join(unpacked, name);
  if (existsSync(folder)) return folder;
  mkdirSync(unpacked, { recursive: true });
  const work = mkdtempSync(path.join(unpacked, ".new-"));
  try {
    const names = options.withDependencies === true ? [...missingFor(name)] : [name];
    const fetched = apt(["download", ...names], work) || (updateLists() && apt(["download", ...names], work));
    if (!fetched) {
      throw new Error(
        `the tests need files of Debian's package ${name}, which apt-get could not fetch: apt-get update`,
      );
    }
    const files = readdirSync(work).filter((file) => file.endsWith(".deb"));
    const tree = path.join(work, "tree");
    for (const file of files) run("dpkg-deb", ["-x", path.join(work, file), tree]);
    try {
      renameSync(tree, folder);
    } catch (error) {
      // Another file of tests was first.
      if (!existsSync(folder)) throw error;
    }
    return folder;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** A file of an unpacked package by the end of its path: the folders above it depend on the machine's architecture. */
export function findIn(folder: string, file: string): string {
  const found = readdirSync(folder, { recursive: true, encoding: "utf8" }).find((one) => one.endsWith(`/${file}`));
  if (found === undefined) throw new Error(`${folder} has no ${file}`);
  return path.join(folder, found);
}

/** What apt-get would install for it, itself included. */
function missingFor(name: string): ReadonlySet<string> {
  const simulate = () => run("apt-get", ["--simulate", "--no-install-recommends", "install", name]);
  let result = simulate();
  if (result.status !== 0 && updateLists()) result = simulate();
  const names = [...result.stdout.matchAll(/^Inst (\S+)/gm)].flatMap(([, found]) =>
    found === undefined ? [] : [found],
  );
  return new Set([name, ...names]);
}

function apt(args: readonly string[], cwd: string): boolean {
  return run("apt-get", args, cwd).status === 0;
}

/** Lists that are older than the mirror name files that the mirror no longer has. */
function updateLists(): boolean {
  const isRoot = process.getuid?.() === 0;
  return (isRoot ? run("apt-get", ["update"]) : run("sudo", ["-n", "apt-get", "update"])).status === 0;
}

function run(program: string, args: readonly string[], cwd?: string) {
  return spawnSync(program, args, { encoding: "utf8", ...(cwd !== undefined && { cwd }) });
}
