// Loaded before the dynamic providers (node --import). The SDK parses functions with TypeScript where a program registers them;
// this process is given their text, and never parses one.
import { loadLate, requireOfSdk } from "./late-module.ts";

loadLate(requireOfSdk(process.argv[1]), "./typescript-shim");
