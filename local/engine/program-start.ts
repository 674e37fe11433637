// Loaded before the program (node --import): loads the SDK and waits for the arguments, which the engine writes when the
// program may begin. What the program itself imports is loaded after that.
import { createRequire } from "node:module";

import { told } from "./child-start.ts";

const stdin = process.stdin as unknown as { ref(): void; unref(): void };
stdin.ref();
createRequire(process.argv[1] ?? "")("../..");
process.argv.push(...(JSON.parse(await told) as string[]));
stdin.unref();
