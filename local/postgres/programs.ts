import { spawn } from "node:child_process";

/** What a program that has ended left behind. `status` is undefined when a signal ended it or it could not be started. */
export interface ProgramResult {
  readonly status: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** The numeric user and group that a program runs as; undefined means the user of this process. */
export interface RunAs {
  readonly uid: number;
  readonly gid: number;
}

/**
 * The whole environment of every program started here. The caller's environment may hold cloud keys and passphrases,
 * which /proc/<pid>/environ would show for as long as the server lives; and its PG* variables would change what
 * initdb does.
 */
export const bareEnvironment: Readonly<Record<string, string>> = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  LC_ALL: "C.UTF-8",
  HOME: "/",
};

/** Runs a program without a shell, and resolves when it has ended; it never rejects. */
export async function runProgram(
  command: string,
  args: readonly string[],
  options: {
    readonly as?: RunAs | undefined;
    readonly input?: string;
    /** Default: the root, since the caller's folder may be closed to the user that the program runs as. */
    readonly cwd?: string;
    /** Default: the bare one. */
    readonly env?: NodeJS.ProcessEnv;
  } = {},
): Promise<ProgramResult> {
  return await new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: options.cwd ?? "/",
      env: options.env ?? bareEnvironment,
      stdio: ["pipe", "pipe", "pipe"],
      ...options.as,
    });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    // It may have ended without reading; its status says why.
    child.stdin.on("error", () => undefined).end(options.input);
    child.on("error", (error) => {
      resolve({ status: undefined, stdout, stderr: stderr + error.message });
    });
    child.on("close", (status) => {
      resolve({ status: status ?? undefined, stdout, stderr });
    });
  });
}

/** The last `count` lines of a program's output that are not empty, for an error message. */
export function lastLines(text: string, count: number): string {
  return text
    .split("\n")
    .filter((line) => line.trim() !== "")
    .slice(-count)
    .map((line) => `    ${line}`)
    .join("\n");
}
