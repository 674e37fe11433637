import { spawn } from "node:child_process";
import { chmod, chown, copyFile, cp, link, mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { removeServer } from "../../../local/postgres.ts";

const repository = join(import.meta.dirname, "../../..");

/** A user who owns nothing, and is there on every Linux machine. */
export const ordinaryUser = { uid: 65_534, gid: 65_534 };
export const isRoot = process.getuid?.() === 0;

/** A second copy of this project, with what the local server needs to run: modules and Node.js included. */
export interface ProjectCopy {
  readonly folder: string;
  readonly localFolder: string;
  /** Runs `node local/server.ts <args>` in it; as the ordinary user when the test runs as root and asks for it. */
  readonly server: (...args: readonly string[]) => Promise<Ended>;
  /** Runs a module's text in it. */
  readonly script: (text: string) => Promise<Ended>;
}

export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Makes a copy below the temporary folder, which every user may enter as the repository may not, and removes it and its
 * server afterwards. As the ordinary user it belongs to that user, and its programs run as that user.
 */
export async function withProjectCopy<T>(
  options: { readonly name: string; readonly ordinary?: boolean },
  fn: (copy: ProjectCopy) => Promise<T>,
): Promise<T> {
  const outer = await mkdtemp(join(tmpdir(), "merchant-jobs-"));
  const folder = join(outer, options.name);
  const user = options.ordinary === true && isRoot ? ordinaryUser : undefined;
  const localFolder = join(folder, ".local");
  const node = join(outer, "node");
  try {
    await chmod(outer, 0o755);
    await mkdir(folder);
    if (user !== undefined) await chown(folder, user.uid, user.gid);
    await cp(join(repository, "local"), join(folder, "local"), { recursive: true });
    await cp(join(repository, "converge"), join(folder, "converge"), { recursive: true });
    await cp(join(repository, "sql", "server"), join(folder, "sql", "server"), { recursive: true });
    await copyFile(join(repository, "package.json"), join(folder, "package.json"));
    for (const name of await modulesOf(["pg", "zod"])) {
      await cp(join(repository, "node_modules", name), join(folder, "node_modules", name), { recursive: true });
    }
    // 110 MB: a second name for it is enough where both folders are on one file system.
    await link(process.execPath, node).catch(async () => {
      await copyFile(process.execPath, node);
    });
    const run = async (args: readonly string[]): Promise<Ended> => await runIn(folder, node, args, user);
    return await fn({
      folder,
      localFolder,
      server: async (...args) => await run([join(folder, "local", "server.ts"), ...args]),
      script: async (text) => await run(["--input-type=module", "--eval", text]),
    });
  } finally {
    await removeServer(localFolder);
    await rm(outer, { recursive: true, force: true });
  }
}

async function runIn(
  folder: string,
  node: string,
  args: readonly string[],
  user?: typeof ordinaryUser,
): Promise<Ended> {
  return await new Promise((resolve, reject) => {
    const child = spawn(node, args, { cwd: folder, stdio: ["ignore", "pipe", "pipe"], ...user });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    child.on("error", reject).on("close", (status) => {
      resolve({ status, stdout, stderr });
    });
  });
}

/** These packages and all that they depend on, by name. */
async function modulesOf(packages: readonly string[]): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  const open = [...packages];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (found.has(name)) continue;
    const manifest = await readFile(join(repository, "node_modules", name, "package.json"), "utf8").catch(
      () => undefined,
    );
    // An optional one that this machine has no use for.
    if (manifest === undefined) continue;
    found.add(name);
    open.push(...Object.keys((JSON.parse(manifest) as { dependencies?: Record<string, string> }).dependencies ?? {}));
  }
  return found;
}

/** Runs a module's text in a Node.js process of its own, with the local server of this repository as `postgres`. */
export async function runWithLocalServer(text: string): Promise<Ended> {
  const module = JSON.stringify(new URL("../../../local/postgres.ts", import.meta.url).href);
  return await runIn(dirname(repository), process.execPath, [
    "--input-type=module",
    "--eval",
    `import * as postgres from ${module};\n${text}`,
  ]);
}
