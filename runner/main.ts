// The runner: starts what is due where pg_cron does not, and says of every cell whether everything ran. The one place
// that reads the environment and the command line, prints, and ends the process.
import { parseArgs } from "node:util";
import type { Logger } from "pino";
import { messageOf } from "../converge/errors.ts";
import { ConfigError, parseConfig, readConfigFile, type RunnerConfig } from "./config.ts";
import { startFleet } from "./fleet.ts";
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

function readConfigOrExit(log: Logger): RunnerConfig {
  try {
    return readConfig();
  } catch (error) {
    log.fatal(error instanceof ConfigError ? error.message : messageOf(error));
    process.exit(2);
  }
}

function main(): void {
  const log = createLog(process.env["LOG_LEVEL"] ?? "info");
  const config = readConfigOrExit(log);
  const fleet = startFleet(
    config,
    (name) => process.env[name],
    log,
    () => undefined,
  );
  log.info({ cells: Object.keys(config.cells) }, "started");

  let stopping = false;
  const stop = (signal: NodeJS.Signals) => {
    // Whoever asks twice means now.
    if (stopping) process.exit(1);
    stopping = true;
    log.info({ signal }, "takes nothing new, and ends what runs");
    void fleet.stop().then(() => {
      log.info("ended");
      process.exit(0);
    });
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
}

main();
