import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";
import { pythonWithMoto } from "./python.ts";

/** A stand-in for AWS: its services are empty when it starts, and gone when it stops. */
export interface Moto {
  /** Of every service. */
  readonly endpoint: string;
  /**
   * The environment with which the AWS SDK's default chain finds it, credentials that are none, and nothing else: no file
   * of the user who runs the tests, and no address beyond this machine.
   */
  readonly env: Readonly<Record<string, string>>;
  /** Forgets everything that was made in it. */
  reset(): Promise<void>;
  stop(): Promise<void>;
}

/** What no output, file or state may show. */
export const MOTO_SECRET = "moto-secret-access-key-of-tests";

/** Starts moto on a free port of 127.0.0.1. It ends with this process, also when that is killed. */
export async function startMoto(): Promise<Moto> {
  const python = await pythonWithMoto();
  const child = spawn(python, [path.join(import.meta.dirname, "server.py")], {
    // moto must find no credentials either: it would hand them to boto3.
    env: { PATH: "/usr/bin:/bin", ...CREDENTIALS },
    stdio: ["pipe", "pipe", "pipe"],
  });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said = (said + text).slice(-5_000)));
  child.stdin.on("error", () => undefined);
  const ended = once(child, "close");
  const port = await Promise.race([
    once(createInterface(child.stdout), "line").then(([line]) => Number(line)),
    ended.then(() => {
      throw new Error(`moto did not start:\n${said}`);
    }),
  ]);
  const endpoint = `http://127.0.0.1:${port}`;
  return {
    endpoint,
    env: { AWS_ENDPOINT_URL: endpoint, ...CREDENTIALS },
    async reset() {
      await fetch(`${endpoint}/moto-api/reset`, { method: "POST" });
    },
    async stop() {
      child.stdin.end();
      await ended;
    },
  };
}

const CREDENTIALS = {
  AWS_REGION: "eu-central-1",
  AWS_ACCESS_KEY_ID: "testing",
  AWS_SECRET_ACCESS_KEY: MOTO_SECRET,
  AWS_EC2_METADATA_DISABLED: "true",
  AWS_CONFIG_FILE: "/dev/null",
  AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
} as const;

/** Sets the environment of this process for a time, as `Moto.env` is meant for SDK calls in it; gives what undoes that. */
export function setEnvironment(values: Readonly<Record<string, string>>): () => void {
  const before = Object.keys(values).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, values);
  return () => {
    for (const [name, value] of before) {
      if (value === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = value;
    }
  };
}
