// Loaded before the program and before the dynamic providers (node --import): when the engine dies, however it dies, its end of
// this pipe closes, and a child that went on alone would change resources that the next run is already looking at.
process.stdin.on("error", () => process.exit(1));
process.stdin.on("close", () => process.exit(1));
process.stdin.on("end", () => process.exit(1));
process.stdin.resume();
// On a pipe, standard input is a socket, which must not keep a finished program alive.
(process.stdin as unknown as { unref(): void }).unref();
