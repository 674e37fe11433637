// Loaded before the program (node --import). The SDK takes a stack trace for each of its promises and for each resource, and
// source-map-support, which it installs, then reads every frame: half of the time of a program of some hundred resources. Those
// of promises are shown only to who sets PULUMI_DEBUG_PROMISE_LEAKS, those of resources tell the engine where in the program
// they stand, which this engine does not use. Every other error keeps its stack.
type Prepare = NonNullable<typeof Error.prepareStackTrace>;

/** Whether nobody will read what is asked for here. */
function isUnread(frame: NodeJS.CallSite | undefined): boolean {
  const name = frame?.getFunctionName();
  return (
    (name === "debuggablePromise" || name === "callsites") &&
    /@pulumi[\\/]pulumi[\\/](runtime[\\/]debuggable|resource)\.js$/.test(frame?.getFileName() ?? "")
  );
}

let installed: Prepare | undefined;
if (!process.env["PULUMI_DEBUG_PROMISE_LEAKS"]) {
  Object.defineProperty(Error, "prepareStackTrace", {
    configurable: true,
    get: () => installed,
    set(prepare: Prepare | undefined) {
      installed = prepare && ((error, frames) => (isUnread(frames[0]) ? "" : (prepare(error, frames) as unknown)));
    },
  });
}
