import { parseArgs } from "node:util";
import { ConvergeError } from "../converge/errors.ts";
import { SpecError } from "../spec/problems.ts";
import { EngineError } from "./engine/errors.ts";
import { chooseEngine, type EngineName, openStackEngine } from "./recover/engine.ts";
import { RecoverError } from "./recover/errors.ts";
import { adopt, forget, recover, type Tell } from "./recover/recovery.ts";

const usage = `Usage: npm run recover -- [--stack <name>] [--engine pulumi|local] [--forget <merchant>] [--adopt <merchant>]
  Makes a stack usable again after an up that was killed. Exit status 1: something is left for a person to do.
  --forget <merchant>   also takes a mistyped merchant, of which nothing exists, out of the state
  --adopt <merchant>    also takes over its database that was made by hand (docs/recover.md)`;

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const isExpected = [RecoverError, EngineError, ConvergeError, SpecError].some((kind) => error instanceof kind);
  if (!isExpected) throw error;
  console.error(`error: ${(error as Error).message}`);
  process.exitCode = 1;
}

async function main(args: readonly string[]): Promise<number> {
  const words = parse(args);
  if (words === undefined) {
    console.error(usage);
    return 2;
  }
  const name = chooseEngine(words.engine, process.env);
  const engine = await openStackEngine(name, words.stack, process.cwd(), process.env);
  const which = name === "pulumi" ? "the Pulumi CLI" : "the local engine";
  console.log(`Recovering stack ${engine.stack} with ${which}${words.engine === undefined ? whyChosen(name) : ""}`);

  let did = 0;
  const tell: Tell = ({ kind, text }) => {
    if (kind === "did") did += 1;
    console.log(kind === "did" ? `- ${text}` : `- REFUSED: ${text}`);
  };
  const results = [await recover(engine, tell)];
  if (words.forget !== undefined) results.push(await forget(engine, words.forget, tell));
  if (words.adopt !== undefined) {
    results.push(await adopt(engine, words.adopt, tell));
    // What was refused of that merchant before may be in order now.
    if (results[0]?.refused === true) results[0] = await recover(engine, tell);
  }

  if (results.some(({ refused }) => refused)) {
    console.log("What was refused is left for a person; docs/recover.md says how. Then run recover again.");
    return 1;
  }
  console.log(
    did === 0 ? "There is nothing to do." : `Done. Next, to converge: ${engine.callAs} up --stack ${engine.stack}`,
  );
  return 0;
}

function whyChosen(name: EngineName): string {
  return name === "pulumi" ? " (it is on PATH)" : " (there is no pulumi on PATH)";
}

interface Words {
  readonly stack: string | undefined;
  readonly engine: EngineName | undefined;
  readonly forget: string | undefined;
  readonly adopt: string | undefined;
}

/** The command line; undefined when it is none. */
function parse(args: readonly string[]): Words | undefined {
  try {
    const options = {
      stack: { type: "string", short: "s" },
      engine: { type: "string" },
      forget: { type: "string" },
      adopt: { type: "string" },
    } as const;
    const { stack, engine, forget: merchant, adopt: byHand } = parseArgs({ args: [...args], options }).values;
    if (engine !== undefined && engine !== "pulumi" && engine !== "local") return undefined;
    return { stack, engine, forget: merchant, adopt: byHand };
  } catch {
    return undefined;
  }
}
