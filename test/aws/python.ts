import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import { withFolderLock } from "../../local/postgres/lock.ts";

const requirements = path.join(import.meta.dirname, "requirements.txt");
const python = "/usr/bin/python3";

/**
 * The Python that has what requirements.txt names: of a virtual environment below `.local/`, which is made once and kept
 * until requirements.txt changes. The package python3-venv is installed where it is missing and this process is root's.
 * Throws, saying what to install.
 */
export async function pythonWithMoto(): Promise<string> {
  const version = createHash("sha256").update(readFileSync(requirements)).digest("hex").slice(0, 12);
  const folder = path.join(import.meta.dirname, "..", "..", ".local", "python", `moto-${version}`);
  const program = path.join(folder, "bin", "python3");
  await withFolderLock(folder, async () => {
    if (existsSync(folder)) return;
    // Its programs hold the path that they were made with; Python finds its packages by where it stands.
    const half = `${folder}.half`;
    await rm(half, { recursive: true, force: true });
    await ensureVenv();
    say(`moto is installed into ${folder}`);
    await run(python, ["-m", "venv", half], "install python3-venv");
    const install = ["-m", "pip", "install", "--quiet", "--requirement", requirements];
    await run(path.join(half, "bin", "python3"), install, "look whether a package index is within reach of pip");
    await rename(half, folder);
  });
  return program;
}

/** Debian's Python has venv in a package of its own. */
async function ensureVenv(): Promise<void> {
  if (await succeeds(python, ["-c", "import venv, ensurepip"])) return;
  const byHand = "sudo apt-get update && sudo apt-get install --yes python3-venv";
  if (process.getuid?.() !== 0) throw new Error(`the tests of AWS need Python with venv; install it: ${byHand}`);
  say("python3-venv is installed by apt-get: moto needs it, which stands in for AWS in tests");
  const install = ["install", "--yes", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300", "python3-venv"];
  if (await succeeds("apt-get", install)) return;
  await run("apt-get", ["update"], byHand);
  await run("apt-get", install, byHand);
}

async function succeeds(command: string, args: readonly string[]): Promise<boolean> {
  return await promisify(execFile)(command, [...args], { env: environment() }).then(
    () => true,
    () => false,
  );
}

async function run(command: string, args: readonly string[], otherwise: string): Promise<void> {
  try {
    await promisify(execFile)(command, [...args], { env: environment(), maxBuffer: 2 ** 26 });
  } catch (error) {
    throw new Error(`moto, which stands in for AWS in tests, could not be installed; ${otherwise}`, { cause: error });
  }
}

/** With the settings of pip and the proxies of the machine. */
function environment(): NodeJS.ProcessEnv {
  return { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
}

function say(line: string): void {
  process.stderr.write(`test: ${line}\n`);
}
