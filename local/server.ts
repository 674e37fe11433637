import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { removeServer, type RunningServer, serverStatus, startServer, stopServer } from "./postgres.ts";
import { LocalServerError } from "./postgres/errors.ts";

const usage = `Usage: npm run server -- <command>
  start [--port <port>] [--no-install]   start the local PostgreSQL with pg_cron, or find it running
  stop                                   stop it; data, port and passwords are kept
  status                                 say whether it runs, where, and since which process (exit status 3: not running)
  remove --yes                           stop it and delete its data`;

const folder = join(dirname(import.meta.dirname), ".local");

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof LocalServerError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}

async function main(args: readonly string[]): Promise<number> {
  const words = parse(args);
  if (words === undefined) {
    console.error(usage);
    return 2;
  }
  switch (words.command) {
    case "start":
      return await start(words.port, words.install);
    case "stop":
      await stopServer(folder);
      console.log(
        "The local server is stopped. `npm run server -- start` starts it again with the same data and port.",
      );
      return 0;
    case "status":
      return await status();
    case "remove":
      await removeServer(folder);
      console.log("The local server and its data are gone.");
      return 0;
  }
}

async function start(port: number | undefined, install: boolean): Promise<number> {
  const log = (line: string): void => {
    console.error(`local server: ${line}`);
  };
  const server = await startServer({ folder, log, install, ...(port === undefined ? {} : { port }) });
  console.log(`PostgreSQL ${server.postgresVersion} ${withPgCron(server)} runs on ${server.host}:${server.port}.`);
  console.log(`Administrator ${server.admin}; its password is in ${server.serverFile}. Log: ${server.logFile}`);
  return 0;
}

function withPgCron({ pgCronVersion }: RunningServer): string {
  return pgCronVersion === undefined ? "without pg_cron (the runner starts the jobs)" : `with pg_cron ${pgCronVersion}`;
}

async function status(): Promise<number> {
  const found = await serverStatus(folder);
  switch (found.state) {
    case "absent":
      console.log("There is no local server in this project yet.");
      return 3;
    case "stopped":
      console.log(`The local server is stopped (port ${found.port ?? "not chosen"}, data in ${found.dataFolder}).`);
      return 3;
    case "running":
      console.log(
        `The local server runs on port ${found.port ?? "?"} (process ${found.pid}, data in ${found.dataFolder}).`,
      );
      return 0;
  }
}

type Words =
  | { readonly command: "start"; readonly port: number | undefined; readonly install: boolean }
  | { readonly command: "stop" | "status" | "remove" };

/** The command line as a command; undefined when it is none. */
function parse(args: readonly string[]): Words | undefined {
  let parsed;
  try {
    parsed = parseArgs({
      args: [...args],
      allowPositionals: true,
      allowNegative: true,
      options: { port: { type: "string" }, install: { type: "boolean", default: true }, yes: { type: "boolean" } },
    });
  } catch {
    return undefined;
  }
  const { positionals, values } = parsed;
  const [command] = positionals;
  if (positionals.length !== 1) return undefined;
  if (command === "start" && values.yes === undefined) {
    if (values.port !== undefined && !/^[1-9]\d{0,4}$/.test(values.port)) return undefined;
    const port = values.port === undefined ? undefined : Number(values.port);
    return port !== undefined && port > 65_535 ? undefined : { command, port, install: values.install };
  }
  if (values.port !== undefined || !values.install) return undefined;
  if ((command === "stop" || command === "status") && values.yes === undefined) return { command };
  // Data is deleted only when that was said twice.
  return command === "remove" && values.yes === true ? { command } : undefined;
}
