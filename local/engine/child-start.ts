// Loaded before the program and before the dynamic providers (node --import).
import { flushCompileCache } from "node:module";

import { loadLate, requireOfSdk } from "./late-module.ts";

// The SDK loads npm itself, 450 modules and two fifths of its time, to find what a function needs that is to run in a cloud.
// Nothing that this engine can run asks for that.
loadLate(requireOfSdk(process.argv[1]), "@npmcli/arborist");

// When the engine dies, however it dies, its end of this pipe closes, and a child that went on alone would change resources
// that the next run is already looking at.
process.stdin.on("error", () => process.exit(1));
process.stdin.on("close", () => process.exit(1));
process.stdin.on("end", () => process.exit(1));
/** The first line that the engine writes. */
export const told = new Promise<string>((resolve) => {
  process.stdin.setEncoding("utf8").once("data", (line: string) => {
    resolve(line);
  });
});
process.stdin.resume();
// On a pipe, standard input is a socket, which must not keep a finished program alive.
(process.stdin as unknown as { unref(): void }).unref();

// Node writes what it compiled when a process ends by itself. That of the providers is killed at the end of a run, and would
// compile the SDK and its own modules anew each time. Where nothing is new, this takes less than a millisecond.
setInterval(flushCompileCache, 500).unref();
