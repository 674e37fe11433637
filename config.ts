import * as pulumi from "@pulumi/pulumi";
import type { SecretReader } from "./components/postgresql-provider.ts";
import { ConvergeError } from "./converge/errors.ts";
import { CONFIG_KEYS, NAMESPACE } from "./spec/names.ts";
import { SpecError } from "./spec/problems.ts";
import { parseStack, type StackSpec } from "./spec/stack.ts";

/** The stack's configuration, checked. The only reader of pulumi.Config. */
export interface ProgramConfig {
  readonly stack: StackSpec;
  readonly secret: SecretReader;
}

/** Reads and checks everything under `merchant-jobs:`. Throws a SpecError with every problem at once. */
export function readConfig(): ProgramConfig {
  const config = new pulumi.Config();
  const keys = Object.keys(pulumi.runtime.allConfig()).filter((key) => key.startsWith(`${NAMESPACE}:`));
  const stack = parseStack({
    cells: config.getObject("cells"),
    merchants: config.getObject("merchants"),
    jobs: config.getObject("jobs"),
    rollout: config.getObject("rollout"),
    unknownKeys: keys.map((key) => key.slice(NAMESPACE.length + 1)).filter((key) => !CONFIG_KEYS.includes(key)),
  });
  return { stack, secret: (key) => config.requireSecret(key) };
}

/** Runs the program. What a person must read is thrown as Pulumi shows it best: the message, and no stack. */
export async function explained<T>(program: () => Promise<T>): Promise<T> {
  try {
    return await program();
  } catch (error) {
    if (error instanceof SpecError || error instanceof ConvergeError) throw new pulumi.RunError(error.message);
    throw error;
  }
}
