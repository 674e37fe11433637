#!/usr/bin/env node
import { enableCompileCache } from "node:module";

import type { Terminal } from "./command-run.ts";
import { EngineError, exitStatusOf, messageOf } from "./errors.ts";
import { inColor, parseCommandLine, USAGE } from "./options.ts";
import type { CommandLine } from "./options.ts";

/** Runs one command of the local engine; gives back the exit status. What a command does not need is not loaded. */
async function main(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const { command, line } = parseCommandLine(args);
  const terminal = openTerminal(line, env);
  switch (command) {
    case "preview":
    case "refresh":
    case "destroy":
    case "up": {
      const { runCommand } = await import("./command-run.ts");
      return runCommand(command === "up" ? "update" : command, line, env, terminal);
    }
    case "help":
      terminal.out(`${USAGE}\n`);
      return 0;
  }
  const { STACK_COMMANDS } = await import("./command-stack.ts");
  await STACK_COMMANDS[command]?.(line, env, terminal);
  return 0;
}

function openTerminal(line: CommandLine, env: NodeJS.ProcessEnv): Terminal {
  return {
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
    color: inColor(line.color, process.stdout.isTTY, env),
    interactive: process.stdin.isTTY && process.stdout.isTTY && !line.flag("non-interactive"),
  };
}

// The SDK is large, and three processes of a run load it: compiled once, it loads in half the time.
enableCompileCache();

try {
  process.exitCode = await main(process.argv.slice(2), process.env);
} catch (error) {
  // What is no EngineError is a mistake of the engine itself, and its stack is what helps to find it.
  const text = error instanceof EngineError ? error.message : ((error as Error).stack ?? messageOf(error));
  process.stderr.write(`error: ${text}\n`);
  process.exitCode = exitStatusOf(error);
}
