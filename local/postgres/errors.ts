/**
 * Why the local server could not do what it was asked:
 * - `postgres_missing`: no PostgreSQL with pg_cron on this machine, and none could be installed
 * - `install_failed`: apt-get was allowed to run and failed, or npm did
 * - `other_server`: the folder has a server of another kind than was asked for
 * - `extension_missing`: PostgreSQL has not the extension, and it could not be installed
 * - `version_missing`: the data folder was made by a major version that is no longer installed
 * - `setting_invalid`: a setting that was asked for cannot be a line of postgresql.conf
 * - `account_missing`: started by root, and there is no operating-system user to run the server as
 * - `not_yours`: a file or folder belongs to another operating-system user
 * - `file_invalid`: a file under .local/ is not what this program wrote
 * - `password_lost`: the data folder exists and the superuser's password does not
 * - `not_started`: no server was ever started in this folder
 * - `port_taken`: the kept port is used by another program
 * - `port_fixed`: another port was asked for while the server runs
 * - `start_failed`: initdb or postgres ended with an error, or pg_cron did not come up
 * - `stop_failed`: processes of the server did not end
 */
export type LocalServerErrorCode =
  | "postgres_missing"
  | "install_failed"
  | "other_server"
  | "extension_missing"
  | "version_missing"
  | "setting_invalid"
  | "account_missing"
  | "not_yours"
  | "file_invalid"
  | "password_lost"
  | "not_started"
  | "port_taken"
  | "port_fixed"
  | "start_failed"
  | "stop_failed";

/** The only error that the local server throws on purpose; its message names the place and the way out, never a secret. */
export class LocalServerError extends Error {
  override readonly name = "LocalServerError";
  readonly code: LocalServerErrorCode;

  constructor(code: LocalServerErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Says whether an error of node:fs, node:child_process or node:net carries one of these codes (`ENOENT`, …). */
export function hasSystemCode(error: unknown, ...codes: readonly string[]): boolean {
  return (
    error instanceof Error && "code" in error && typeof error.code === "string" && codes.some((c) => c === error.code)
  );
}
