import { spawn } from "node:child_process";
import type { Line } from "./terminal-svg.ts";

/** Runs a command of npm in a folder and keeps each line that it prints, with its time. Throws when it fails. */
export async function record(folder: string, script: string): Promise<readonly Line[]> {
  const child = spawn("npm", ["run", "--silent", script], {
    cwd: folder,
    env: { ...process.env, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const start = Date.now();
  const lines: Line[] = [];
  let rest = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    const parts = (rest + text).split("\n");
    rest = parts.pop() ?? "";
    lines.push(...parts.map((part) => ({ text: part, at: (Date.now() - start) / 1000 })));
  });
  const status = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject).on("close", resolve);
  });
  if (status !== 0) throw new Error(`npm run ${script} ended with exit status ${String(status)}`);
  return lines;
}

/**
 * The demo's lines as README shows them: of resources, jobs and runs one of a kind, without the outputs and what to do next,
 * and without what is this machine's.
 */
export function shorten(lines: readonly Line[]): readonly Line[] {
  const until = lines.findIndex(({ text }) => text === "To go on:");
  return lines.slice(0, until).flatMap(({ text, at }, index, all) => {
    if (!isLeftOut(text)) return [{ text: text.replace(/ in \/.*\/\.local/, " in ~/merchant-jobs/.local"), at }];
    return index > 0 && isLeftOut(all[index - 1]?.text ?? "") ? [] : [{ text: `${/^ */.exec(text)?.[0] ?? ""}…`, at }];
  });
}

function isLeftOut(text: string): boolean {
  if (text.startsWith(" + ")) return !/Stack|Merchant acme/.test(text);
  if (/^ {2}(acme|bluebird|coral)[: ]/.test(text)) return !text.includes("lot_expiry");
  return /^(Outputs:| {2}\+ merchants| {8}\w+: "| {4}})/.test(text);
}
