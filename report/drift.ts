import { writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { chooseEngine, type EngineName } from "../local/recover/engine.ts";
import { lookAtStack } from "./drift/look.ts";
import { type DriftReport, driftOf, exitStatusOf } from "./drift/model.ts";
import { renderJson, renderMarkdown, renderText } from "./drift/render.ts";
import { EventsError, parseEngineOutput } from "./engine-events.ts";

const usage = `Usage: npm run drift -- --stack <name> [--engine pulumi|local] [--out <folder>]
  Looks for differences between what the stack declares and what is there; changes nothing.
  Writes drift.json and drift.md to the folder (default: this one).
  Exit status: 0 clean, 2 drift, 1 could not look, which is neither.`;

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const words = parse(args);
  if (words === undefined) {
    console.error(usage);
    return 1;
  }
  const report = await look(words.stack, chooseEngine(words.engine, process.env));
  try {
    writeFileSync(path.join(words.out, "drift.json"), renderJson(report));
    writeFileSync(path.join(words.out, "drift.md"), renderMarkdown(report));
  } catch (error) {
    // What was found is printed all the same.
    console.error(
      `error: the reports cannot be written: ${(error as Error).message}; name a folder that is there by --out`,
    );
    process.stdout.write(renderText(report));
    return 1;
  }
  process.stdout.write(renderText(report));
  return exitStatusOf(report);
}

/** Whatever keeps the engine from looking is part of the report, so that whoever reads it next morning knows. */
async function look(stack: string, engine: EngineName): Promise<DriftReport> {
  const failed = (error: string): DriftReport => ({ stack, drift: [], unseen: [], errors: [error], merchants: 0 });
  try {
    const { out, err, status } = await lookAtStack({ engine, stack, folder: process.cwd() }, process.env);
    try {
      const report = driftOf(stack, parseEngineOutput(out));
      return status === 0 || exitStatusOf(report) === 1
        ? report
        : { ...report, errors: [`the engine ended with exit status ${String(status)}: ${err.trim()}`] };
    } catch (error) {
      if (!(error instanceof EventsError)) throw error;
      return failed(err.trim().replace(/^error: /, "") || error.message);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return failed(`${engine === "pulumi" ? "pulumi" : "node"} cannot be started: is it on PATH?`);
  }
}

interface Words {
  readonly stack: string;
  readonly engine: EngineName | undefined;
  readonly out: string;
}

/** The command line; undefined when it is none. */
function parse(args: readonly string[]): Words | undefined {
  const options = {
    stack: { type: "string", short: "s" },
    engine: { type: "string" },
    out: { type: "string" },
  } as const;
  try {
    const { stack, engine, out = "." } = parseArgs({ args: [...args], options }).values;
    if (stack === undefined || (engine !== undefined && engine !== "pulumi" && engine !== "local")) return undefined;
    return { stack, engine, out };
  } catch {
    return undefined;
  }
}
