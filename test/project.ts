import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parse, stringify } from "yaml";
import type { RunningServer } from "../local/postgres.ts";
import { testServer } from "./server.ts";

const repository = path.join(import.meta.dirname, "..");
const password = "MERCHANT_JOBS_TEST_PASSWORD";

/** What a command of the engine printed, and its exit status. */
export interface Outcome {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

/** A copy of the program in a folder of its own, with a stack `test` on the engine that the tests are run with. */
export interface Project {
  readonly folder: string;
  /** The engine's command line, to start it otherwise than by `pulumi()`. */
  readonly command: readonly [string, ...string[]];
  readonly env: NodeJS.ProcessEnv;
  /** Runs a command of the engine, as `pulumi <args>`, on stack `test`. */
  pulumi(...args: readonly string[]): Promise<Outcome>;
  /** Writes the stack's merchants, with waves and settings of the cell where these are given. */
  setMerchants(merchants: object, more?: { readonly rollout?: object; readonly cell?: object }): void;
  /** Sets a secret of the stack's configuration, by standard input. */
  setSecret(key: string, value: string): Promise<Outcome>;
  /** The stack's state, secrets encrypted. */
  state(): Promise<State>;
  remove(): void;
}

/** What the tests look at in a deployment (version 3). */
export interface State {
  readonly resources: readonly {
    readonly urn: string;
    readonly type: string;
    readonly id?: string;
    readonly inputs?: Readonly<Record<string, unknown>>;
    readonly outputs?: Readonly<Record<string, unknown>>;
    readonly dependencies?: readonly string[];
  }[];
  readonly pending_operations?: readonly unknown[];
}

/** Which engine: the local one, or with ENGINE=pulumi the Pulumi CLI that is on PATH. */
function engineCommand(): readonly [string, ...string[]] {
  return process.env["ENGINE"] === "pulumi"
    ? ["pulumi", "--non-interactive"]
    : [process.execPath, path.join(repository, "local", "engine", "cli.ts")];
}

/** The program, as somebody has it who has no stack yet. */
const PROGRAM = [
  "spec",
  "converge",
  "components",
  "sql",
  "certs",
  "index.ts",
  "config.ts",
  "Pulumi.yaml",
  "package.json",
] as const;

/** Copies the program into a folder, with the packages that it imports. */
export function copyProgram(folder: string): void {
  for (const entry of PROGRAM) cpSync(path.join(repository, entry), path.join(folder, entry), { recursive: true });
  symlinkSync(path.join(repository, "node_modules"), path.join(folder, "node_modules"));
}

/** Makes a project whose one cell is the test server, or another address of it. */
export async function makeProject(options: {
  readonly merchants: object;
  /** Default: the test server. */
  readonly server?: Pick<RunningServer, "host" | "port" | "admin" | "password">;
  readonly port?: number;
  /** Default: the environment, which the commands get. */
  readonly credential?: object;
}): Promise<Project> {
  const server = options.server ?? testServer();
  const folder = mkdtempSync(path.join(tmpdir(), "merchant jobs "));
  copyProgram(folder);
  mkdirSync(path.join(folder, ".local", "state"), { recursive: true });
  const command = engineCommand();
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    ...(options.credential === undefined && { [password]: server.password }),
    NO_COLOR: "1",
    PULUMI_BACKEND_URL: `file://${path.join(folder, ".local", "state")}`,
    PULUMI_CONFIG_PASSPHRASE: "for tests",
    PULUMI_SKIP_UPDATE_CHECK: "true",
  };
  const run = (args: readonly string[], input = "") => runCommand(command, args, { cwd: folder, env, input });
  const cells = {
    home: {
      kind: "server",
      host: server.host,
      port: options.port ?? server.port,
      admin: server.admin,
      credential: options.credential ?? { env: password },
      tls: "disable",
    },
  };
  const settings = path.join(folder, "Pulumi.test.yaml");
  const setMerchants: Project["setMerchants"] = (merchants, { rollout, cell } = {}) => {
    const config = {
      "merchant-jobs:cells": { home: { ...cells.home, ...cell } },
      "merchant-jobs:merchants": merchants,
      ...(rollout && { "merchant-jobs:rollout": rollout }),
    };
    // `stack init` has put the salt of the stack's secrets there.
    const written = existsSync(settings) ? (parse(readFileSync(settings, "utf8")) as object | null) : {};
    writeFileSync(settings, stringify({ ...written, config }));
  };
  await run(["stack", "init", "test"]);
  setMerchants(options.merchants);
  return {
    folder,
    command,
    env,
    pulumi: (...args) => run([...args, "--stack", "test"]),
    setMerchants,
    setSecret: (key, value) => run(["config", "set", "--secret", key, "--stack", "test"], value),
    async state() {
      const exported = await run(["stack", "export", "--stack", "test"]);
      return (JSON.parse(exported.out) as { deployment: State }).deployment;
    },
    remove() {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function runCommand(
  [program, ...first]: readonly [string, ...string[]],
  args: readonly string[],
  { input, ...options }: { readonly cwd: string; readonly env: NodeJS.ProcessEnv; readonly input: string },
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, [...first, ...args], { ...options, stdio: "pipe" });
    child.stdin.end(input);
    let out = "";
    let err = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
    child.on("error", reject);
    child.on("close", (code) => {
      resolve({ status: code ?? -1, out, err });
    });
  });
}
