import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { chromium, type Browser } from "playwright-core";

/** Where Debian's package puts it. */
const PROGRAM = "/usr/bin/chromium";

/** vitest's globalSetup of the project `browser`: Debian's Chromium is there, or is installed; else it says what to do. */
export default function setup(): void {
  if (existsSync(PROGRAM)) return;
  const install = [
    "apt-get",
    "install",
    "--yes",
    "--no-install-recommends",
    "-o",
    "DPkg::Lock::Timeout=300",
    "chromium",
  ];
  const asRoot = process.getuid?.() === 0 ? install : ["sudo", "-n", ...install];
  const run = ([program = "", ...args]: readonly string[]) =>
    spawnSync(program, args, { env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" }, encoding: "utf8" });
  let result = run(asRoot);
  if (result.status !== 0) {
    // Lists that are older than the mirror name files that the mirror no longer has.
    run(asRoot.map((word) => (word === "install" ? "update" : word)).filter((word) => !/^(--|chromium)/.test(word)));
    result = run(asRoot);
  }
  if (result.status === 0 && existsSync(PROGRAM)) return;
  throw new Error(
    `the status page is tested in Chromium, which is not at ${PROGRAM} and could not be installed:\n${result.stderr}\n` +
      "install it: sudo apt-get update && sudo apt-get install --yes chromium",
  );
}

/** Starts the browser. */
export async function startBrowser(): Promise<Browser> {
  // The sandbox cannot be had as root, as in a container.
  return await chromium.launch({ executablePath: PROGRAM, args: ["--no-sandbox"] });
}
