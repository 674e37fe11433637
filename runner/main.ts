// The runner: starts what is due where pg_cron does not, and says of every cell whether everything ran. The one place
// that reads the environment and the command line, prints, and ends the process.
import { parseArgs } from "node:util";
import type { Logger } from "pino";
import { messageOf } from "../converge/errors.ts";
import { parseConfig, readConfigFile, type RunnerConfig } from "./config.ts";
import { startFleet } from "./fleet.ts";
import { cannotListen } from "./http/cannot-listen.ts";
import { createMetrics } from "./http/metrics.ts";
import { assertGuarded, createServer } from "./http/server.ts";
import { createLog } from "./log.ts";

const CONFIG = "MERCHANT_JOBS_RUNNER_CONFIG";

/** The configuration: from the environment as text, or else from a file. Throws a ConfigError. */
function readConfig(): RunnerConfig {
  const { values } = parseArgs({
    options: { config: { type: "string" }, rescue: { type: "boolean" } },
    allowNegative: true,
  });
  const text = process.env[CONFIG];
  const config =
    values.config === undefined && text !== undefined
      ? parseConfig(text, CONFIG)
      : readConfigFile(values.config ?? "runner.yaml");
  return values.rescue === undefined ? config : { ...config, rescue: values.rescue };
}

function orExit<T>(log: Logger, read: () => T): T {
  try {
    return read();
  } catch (error) {
    log.fatal(messageOf(error));
    process.exit(2);
  }
}

async function main(): Promise<void> {
  const log = createLog(process.env["LOG_LEVEL"] ?? "info");
  const token = process.env["MERCHANT_JOBS_RUNNER_TOKEN"];
  const config = orExit(log, () => {
    const read = readConfig();
    assertGuarded({ listen: read.listen, token });
    return read;
  });
  const metrics = createMetrics();
  const fleet = startFleet(config, (name) => process.env[name], log, metrics.observe);
  const server = createServer({ knowledge: fleet.knowledge, metrics, listen: config.listen, token });
  let stopping = false;
  const stop = async (signal: NodeJS.Signals) => {
    // Whoever asks twice means now.
    if (stopping) process.exit(1);
    stopping = true;
    log.info({ signal }, "takes nothing new, and ends what runs");
    await fleet.stop();
    await server.close();
    log.info("ended");
    process.exit(0);
  };
  process.on("SIGTERM", (signal) => void stop(signal));
  process.on("SIGINT", (signal) => void stop(signal));
  try {
    const address = await server.listen(config.listen);
    log.info({ address, cells: Object.keys(config.cells) }, "started");
  } catch (error) {
    log.fatal(cannotListen(config.listen, error));
    process.exit(1);
  }
}

await main();
