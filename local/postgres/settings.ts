import { LocalServerError } from "./errors.ts";

/** What decides the postgresql.conf of a local server. */
export interface SettingsInput {
  readonly port: number;
  readonly clusterName: string;
  readonly cronDatabase: string;
  /** False gives up everything that survives a crash of the machine, for servers that a test throws away. */
  readonly durable: boolean;
  /** Without pg_cron the runner starts the jobs. */
  readonly pgCron: boolean;
  readonly knowsTimezone: boolean;
  /** More settings, or others than these; they win. */
  readonly extra: Readonly<Record<string, string>>;
}

/** The whole text of postgresql.conf. Throws `setting_invalid` for a name or value that cannot stand in that file. */
export function postgresqlConf(input: SettingsInput): string {
  const settings: Readonly<Record<string, string>> = {
    // Loopback TCP only: a socket in a folder would be a second way in, with a path of at most 107 bytes.
    listen_addresses: "127.0.0.1",
    port: String(input.port),
    unix_socket_directories: "",
    password_encryption: "scram-sha-256",
    // Puts the name into the title of every process, by which a stop finds what a killed server left behind.
    cluster_name: input.clusterName,
    update_process_title: "on",
    max_connections: "100",

    ...(input.pgCron ? pgCronSettings(input) : { shared_preload_libraries: "" }),

    timezone: "GMT",
    log_timezone: "GMT",
    logging_collector: "off",
    log_destination: "stderr",
    log_line_prefix: "%m [%p] %q%u@%d %a ",
    ...(input.durable ? {} : { fsync: "off", synchronous_commit: "off", full_page_writes: "off" }),
    ...input.extra,
  };
  const lines = Object.entries(settings).map(([name, value]) => `${checkedName(name)} = ${quoted(name, value)}`);
  return [
    "# Written by `npm run server -- start` at each start: a change here is lost.",
    "# What you set with `alter system` is kept (postgresql.auto.conf) and wins.",
    ...lines,
    "",
  ].join("\n");
}

/** As RDS: pg_cron runs jobs in background workers, five at once, out of a pool that is larger than that. */
function pgCronSettings(input: SettingsInput): Readonly<Record<string, string>> {
  return {
    shared_preload_libraries: "pg_cron,pg_stat_statements",
    "cron.database_name": input.cronDatabase,
    "cron.use_background_workers": "on",
    "cron.max_running_jobs": "5",
    ...(input.knowsTimezone ? { "cron.timezone": "GMT" } : {}),
    max_worker_processes: "20",
  };
}

function checkedName(name: string): string {
  if (/^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?$/i.test(name)) return name;
  throw new LocalServerError(
    "setting_invalid",
    `settings: ${JSON.stringify(name)} is not the name of a server setting.`,
  );
}

/** A value as guc-file.l reads it: in single quotes, with quotes doubled and backslashes escaped, on one line. */
function quoted(name: string, value: string): string {
  if (!/[\n\r\0]/.test(value)) return `'${value.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`;
  throw new LocalServerError("setting_invalid", `settings.${name}: ${JSON.stringify(value)} is more than one line.`);
}
