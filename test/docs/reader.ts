import { spawn } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdirSync, rmSync } from "node:fs";
import path from "node:path";
import { copyProgram } from "../project.ts";

const repository = path.join(import.meta.dirname, "..", "..");

/** What a reader has done by a block of shell. */
export interface Done {
  readonly status: number | null;
  /** Both streams, as a terminal shows them. */
  readonly out: string;
}

/** Somebody who types what a page says into one shell, in a clone of this repository. */
export interface Reader {
  readonly folder: string;
  /** Runs a block. What it asks for is typed, a line each; what it exports is there in the next one. */
  type(block: string, more?: { readonly env?: NodeJS.ProcessEnv; readonly typed?: readonly string[] }): Promise<Done>;
  leave(): void;
}

/** Makes the folder, which may have a blank in its name, and a clone in it with its packages. */
export function cloneFor(folder: string, programs: readonly string[] = []): Reader {
  mkdirSync(folder, { recursive: true });
  // A server's user, which is not this one where this is root, must be able to go in.
  chmodSync(folder, 0o755);
  copyProgram(folder);
  for (const part of ["local", "runner", "report", "Pulumi.dev.yaml", "Pulumi.runner.yaml"]) {
    cpSync(path.join(repository, part), path.join(folder, part), { recursive: true });
  }
  const exported = path.join(folder, ".exported");
  // Without a Pulumi CLI that a machine may have: the pages are about the local engine.
  const found = [
    path.dirname(process.execPath),
    folderOf("npm"),
    ...programs,
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
  ];
  const base = { PATH: found.join(":"), HOME: process.env["HOME"] ?? "/", NO_COLOR: "1" };
  return {
    folder,
    type: async (block, { env = {}, typed = [] } = {}) => {
      const script = `if [ -f .exported ]; then . ./.exported; fi\n${block}\nexport -p | grep -v ' PG' > .exported\n`;
      const child = spawn("bash", ["-e", "-o", "pipefail", "-c", script], {
        cwd: folder,
        env: { ...base, ...env },
        stdio: ["pipe", "pipe", "pipe"],
        // Without a terminal psql takes a password from standard input.
        detached: true,
      });
      let out = "";
      for (const stream of [child.stdout, child.stderr])
        stream.setEncoding("utf8").on("data", (text: string) => (out += text));
      child.stdin.on("error", () => undefined).end(typed.map((line) => `${line}\n`).join(""));
      const status = await new Promise<number | null>((resolve, reject) => {
        child.on("error", reject).on("close", resolve);
      });
      return { status, out };
    },
    leave: () => {
      rmSync(exported, { force: true });
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function folderOf(program: string): string {
  const folders = (process.env["PATH"] ?? "").split(":");
  const found = folders.find((folder) => existsSync(path.join(folder, program)));
  if (found === undefined) throw new Error(`there is no ${program} on PATH`);
  return found;
}
