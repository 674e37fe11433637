import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { parseArgs } from "node:util";
import { EventsError, parseEngineOutput, type SeenRun } from "./engine-events.ts";
import { summarize } from "./summary/model.ts";
import { renderSummary } from "./summary/render.ts";

const usage = `Usage: npm run --silent pr-summary -- --stack <name> [<file>]
  Turns what preview --json printed, read from the file or from standard input, into a comment for a pull request.
  Exit status 1: there was no preview in it, or the preview failed; the comment says so.`;

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const words = parse(args);
  if (words === undefined) {
    console.error(usage);
    return 1;
  }
  let printed: string;
  try {
    printed = words.file === undefined ? await text(process.stdin) : readFileSync(words.file, "utf8");
  } catch (error) {
    console.error(`error: what preview --json printed cannot be read: ${(error as Error).message}`);
    return 1;
  }
  const run = read(printed);
  process.stdout.write(renderSummary(summarize(words.stack, run)));
  return run.succeeded === true ? 0 : 1;
}

/** A preview that printed nothing of use is a comment too: silence would leave the one of an earlier commit standing. */
function read(printed: string): SeenRun {
  try {
    return parseEngineOutput(printed);
  } catch (error) {
    if (!(error instanceof EventsError)) throw error;
    const message = { severity: "error", urn: "", text: `${error.message}; the run's log says more` } as const;
    return { reads: [], steps: [], failed: [], messages: [message], succeeded: false };
  }
}

/** The command line; undefined when it is none. */
function parse(args: readonly string[]): { readonly stack: string; readonly file: string | undefined } | undefined {
  try {
    const options = { stack: { type: "string", short: "s" } } as const;
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
    if (values.stack === undefined || positionals.length > 1) return undefined;
    return { stack: values.stack, file: positionals[0] };
  } catch {
    return undefined;
  }
}
