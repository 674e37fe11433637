// `npm run status -- --stack dev`: did everything run? Looks once, from here, with the credentials of the stack.
import { parseArgs } from "node:util";
import { ConvergeError } from "../converge/errors.ts";
import { loginsFor, lookOnce, renderStatus } from "../runner/status.ts";
import { steadyNow } from "../runner/steady-clock.ts";
import { SpecError } from "../spec/problems.ts";
import { EngineError } from "./engine/errors.ts";
import { resolveEach } from "./recover/cells.ts";
import { chooseEngine, openStackEngine } from "./recover/engine.ts";
import { RecoverError } from "./recover/errors.ts";

const usage = `Usage: npm run status -- [--stack <name>]
  Says whether every job of every merchant ran, and what is wrong. Exit status 1: something did not run.`;

try {
  process.exitCode = await main();
} catch (error) {
  const isExpected = [RecoverError, EngineError, ConvergeError, SpecError].some((kind) => error instanceof kind);
  if (!isExpected) throw error;
  console.error(`error: ${(error as Error).message}`);
  process.exitCode = 2;
}

async function main(): Promise<number> {
  let stack: string | undefined;
  try {
    stack = parseArgs({ options: { stack: { type: "string" } } }).values.stack;
  } catch {
    console.error(usage);
    return 2;
  }
  const engine = await openStackEngine(chooseEngine(undefined, process.env), stack, process.cwd(), process.env);
  const written = JSON.parse(await engine.run(["config", "get", "merchant-jobs:cells"])) as object;
  const { addresses, unresolved } = await resolveEach(engine, Object.keys(written));
  const resolved = [...addresses.values()];
  const knowledge = await lookOnce(resolved, unresolved);
  const now = steadyNow();
  const { text, failed } = renderStatus(knowledge, now);
  const logins = loginsFor(knowledge, resolved, now);
  console.log(logins === "" ? text : `${text}\n\n${logins}`);
  return failed ? 1 : 0;
}
