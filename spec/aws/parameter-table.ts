/**
 * Parameters of RDS for PostgreSQL 15 to 18, as data. Whether one is static, and its unit, is what `aws rds
 * describe-engine-default-parameters --db-parameter-group-family postgres17` says (ApplyType; units in "Working with
 * parameters on your RDS for PostgreSQL DB instance" of the RDS user guide); ranges of PostgreSQL's own are min_val and
 * max_val of its pg_settings, which test/db/aws compares with a real server.
 */
export interface ParameterFact {
  /** `static`: in force after a reboot only. `dynamic`: on the running instance, within moments. */
  readonly apply: "static" | "dynamic";
  readonly value: ParameterValue;
  /** Why nobody may set it: Amazon fixes it, or this program needs it as it is. */
  readonly kept?: string;
  readonly source: Source;
}

/** What a value may be. Numbers are in `unit`, which is PostgreSQL's own for the parameter. */
export type ParameterValue =
  | { readonly kind: "integer" | "real"; readonly min: number; readonly max: number; readonly unit?: Unit }
  /** How RDS writes it: 1 and 0, or on and off. */
  | { readonly kind: "boolean"; readonly written: "1 or 0" | "on or off" }
  | { readonly kind: "choice"; readonly choices: readonly string[] }
  | { readonly kind: "text" }
  /** Names, separated by commas. */
  | { readonly kind: "list" };

type Unit = "ms" | "s" | "min" | "B" | "kB" | "8kB" | "MB";

/** PostgreSQL's pg_settings, the RDS user guide, or its chapter PostgreSQL_pg_cron. */
type Source = "postgresql" | "rds" | "pg_cron";

type Apply = ParameterFact["apply"];

const INT_MAX = 2_147_483_647;
const INT_MAX_HALF = 1_073_741_823;
/** As pg_settings prints the largest real number. */
export const REAL_MAX = 1.797_69e308;
/** The largest value of a parameter in kB on 64 bits (MAX_KILOBYTES). */
const KB_MAX = 2_147_483_647;
/** The most backends of a server (MAX_BACKENDS). */
const BACKENDS = 262_143;

const whole = (apply: Apply, min: number, max: number, unit?: Unit): ParameterFact => ({
  apply,
  value: { kind: "integer", min, max, ...(unit !== undefined && { unit }) },
  source: "postgresql",
});
const real = (apply: Apply, min: number, max: number, unit?: Unit): ParameterFact => ({
  apply,
  value: { kind: "real", min, max, ...(unit !== undefined && { unit }) },
  source: "postgresql",
});
const flag = (apply: Apply): ParameterFact => ({
  apply,
  value: { kind: "boolean", written: "1 or 0" },
  source: "postgresql",
});
const choice = (apply: Apply, ...choices: readonly string[]): ParameterFact => ({
  apply,
  value: { kind: "choice", choices },
  source: "postgresql",
});
const text = (apply: Apply): ParameterFact => ({ apply, value: { kind: "text" }, source: "postgresql" });
const list = (apply: Apply): ParameterFact => ({ apply, value: { kind: "list" }, source: "postgresql" });
const rds = (fact: ParameterFact): ParameterFact => ({ ...fact, source: "rds" });
const cron = (fact: ParameterFact): ParameterFact => ({ ...fact, source: "pg_cron" });
const onOff = (apply: Apply): ParameterFact => ({ ...flag(apply), value: { kind: "boolean", written: "on or off" } });
const kept = (why: string, fact: ParameterFact): ParameterFact => ({ ...fact, kept: why });

const LEVELS = ["debug5", "debug4", "debug3", "debug2", "debug1", "info", "notice", "warning", "error", "log"] as const;
const BY_AMAZON = "Amazon fixes it";

/** By name. What a parameter group has besides these is not set through this program. */
export const PARAMETERS: Readonly<Record<string, ParameterFact>> = {
  // pg_cron
  "cron.database_name": kept("the crontabs are in the database cron", cron(text("static"))),
  "cron.host": kept(BY_AMAZON, cron(text("static"))),
  "cron.log_min_messages": cron(choice("dynamic", ...LEVELS, "fatal", "panic")),
  "cron.log_run": kept("the health of jobs is read from what it logs", cron(onOff("static"))),
  "cron.log_statement": cron(onOff("static")),
  "cron.max_running_jobs": cron(whole("static", 1, 100)),
  "cron.timezone": kept("schedules are in GMT", cron(text("static"))),
  "cron.use_background_workers": kept(BY_AMAZON, cron(onOff("static"))),

  // RDS
  "rds.adaptive_autovacuum": rds(flag("dynamic")),
  "rds.allowed_extensions": rds(list("dynamic")),
  "rds.force_admin_logging_level": rds(choice("dynamic", "disabled", ...LEVELS, "fatal", "panic")),
  "rds.force_autovacuum_logging_level": rds(choice("dynamic", "disabled", ...LEVELS)),
  "rds.force_ssl": kept("no connection goes in the clear", rds(flag("dynamic"))),
  "rds.log_retention_period": rds(whole("dynamic", 1440, 10_080, "min")),
  "rds.logical_replication": rds(flag("static")),
  "rds.rds_superuser_reserved_connections": rds(whole("static", 0, 8388)),
  "rds.restrict_password_commands": rds(flag("static")),

  // Libraries and processes
  max_parallel_maintenance_workers: whole("dynamic", 0, 1024),
  max_parallel_workers: whole("dynamic", 0, 1024),
  max_parallel_workers_per_gather: whole("dynamic", 0, 1024),
  max_worker_processes: whole("static", 1, BACKENDS),
  shared_preload_libraries: list("static"),
  track_activities: kept("by it a live run is told from a dead one", flag("dynamic")),
  track_activity_query_size: whole("static", 100, 1_048_576, "B"),
  track_functions: choice("dynamic", "none", "pl", "all"),
  track_io_timing: flag("dynamic"),
  "pg_stat_statements.max": whole("static", 100, INT_MAX_HALF),
  "pg_stat_statements.track": choice("dynamic", "none", "top", "all"),

  // Connections, sessions, locks
  authentication_timeout: whole("dynamic", 1, 600, "s"),
  deadlock_timeout: whole("dynamic", 1, INT_MAX, "ms"),
  idle_in_transaction_session_timeout: whole("dynamic", 0, INT_MAX, "ms"),
  idle_session_timeout: whole("dynamic", 0, INT_MAX, "ms"),
  lock_timeout: whole("dynamic", 0, INT_MAX, "ms"),
  max_connections: whole("static", 6, BACKENDS),
  max_locks_per_transaction: whole("static", 10, INT_MAX),
  max_pred_locks_per_transaction: whole("static", 10, INT_MAX),
  max_prepared_transactions: whole("static", 0, BACKENDS),
  password_encryption: choice("dynamic", "md5", "scram-sha-256"),
  statement_timeout: whole("dynamic", 0, INT_MAX, "ms"),
  tcp_keepalives_count: whole("dynamic", 0, INT_MAX),
  tcp_keepalives_idle: whole("dynamic", 0, INT_MAX, "s"),
  tcp_keepalives_interval: whole("dynamic", 0, INT_MAX, "s"),

  // Memory
  effective_cache_size: whole("dynamic", 1, INT_MAX, "8kB"),
  hash_mem_multiplier: real("dynamic", 1, 1000),
  huge_pages: choice("static", "on", "off", "try"),
  maintenance_work_mem: whole("dynamic", 1024, KB_MAX, "kB"),
  shared_buffers: whole("static", 16, INT_MAX_HALF, "8kB"),
  temp_buffers: whole("dynamic", 100, INT_MAX_HALF, "8kB"),
  temp_file_limit: rds(whole("static", -1, INT_MAX, "kB")),
  work_mem: whole("dynamic", 64, KB_MAX, "kB"),

  // Writing
  checkpoint_completion_target: real("dynamic", 0, 1),
  checkpoint_timeout: whole("dynamic", 30, 86_400, "s"),
  max_replication_slots: whole("static", 0, BACKENDS),
  max_slot_wal_keep_size: whole("dynamic", -1, INT_MAX, "MB"),
  max_wal_senders: whole("static", 0, BACKENDS),
  max_wal_size: whole("dynamic", 2, INT_MAX, "MB"),
  min_wal_size: whole("dynamic", 2, INT_MAX, "MB"),
  synchronous_commit: choice("dynamic", "local", "remote_write", "remote_apply", "on", "off"),
  wal_buffers: whole("static", -1, BACKENDS, "8kB"),
  wal_compression: choice("dynamic", "pglz", "lz4", "zstd", "on", "off"),

  // Autovacuum
  autovacuum: flag("dynamic"),
  autovacuum_analyze_scale_factor: real("dynamic", 0, 100),
  autovacuum_analyze_threshold: whole("dynamic", 0, INT_MAX),
  autovacuum_freeze_max_age: whole("static", 100_000, 2_000_000_000),
  autovacuum_max_workers: whole("static", 1, BACKENDS),
  autovacuum_naptime: whole("dynamic", 1, 2_147_483, "s"),
  autovacuum_vacuum_cost_delay: real("dynamic", -1, 100, "ms"),
  autovacuum_vacuum_cost_limit: whole("dynamic", -1, 10_000),
  autovacuum_vacuum_insert_scale_factor: real("dynamic", 0, 100),
  autovacuum_vacuum_scale_factor: real("dynamic", 0, 100),
  autovacuum_vacuum_threshold: whole("dynamic", 0, INT_MAX),
  autovacuum_work_mem: whole("dynamic", -1, KB_MAX, "kB"),

  // Planning
  default_statistics_target: whole("dynamic", 1, 10_000),
  jit: flag("dynamic"),
  plan_cache_mode: choice("dynamic", "auto", "force_generic_plan", "force_custom_plan"),
  random_page_cost: real("dynamic", 0, REAL_MAX),

  // Logging
  log_autovacuum_min_duration: whole("dynamic", -1, INT_MAX, "ms"),
  log_connections: flag("dynamic"),
  log_disconnections: flag("dynamic"),
  log_lock_waits: flag("dynamic"),
  log_min_duration_statement: whole("dynamic", -1, INT_MAX, "ms"),
  log_statement: choice("dynamic", "none", "ddl", "mod", "all"),
  log_temp_files: whole("dynamic", -1, INT_MAX, "kB"),
};
