import pino, { type DestinationStream, type Logger } from "pino";

/** JSON, one line an event, with merchant, job and run where it is about one. No credential ever gets into a value of it. */
export function createLog(level: string, destination?: DestinationStream): Logger {
  const options = {
    level,
    base: { service: "merchant-jobs runner" },
    timestamp: pino.stdTimeFunctions.isoTime,
    // Errors by what they say: a stack or a connection's parameters are nobody's business here.
    serializers: { err: (error: unknown) => (error instanceof Error ? error.message : String(error)) },
  };
  return destination ? pino(options, destination) : pino(options);
}
