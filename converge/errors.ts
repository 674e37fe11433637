/**
 * What can go wrong between us and a server, told apart by code:
 * - `no_credential`: the cell's credential is not where the stack file says.
 * - `not_connected`: the server does not answer, refuses the login or fails TLS.
 * - `cannot_look`: the administrator may not see what must be known; nothing was planned.
 * - `missing_right`: the administrator may not do what must be done; the message has the statement that grants or does it.
 * - `cell_not_ready`: pg_cron of the cell cannot run jobs as it is set up; the message has what repairs it.
 * - `unsupported`: the server's pg_cron is too old for what is asked, or set up in a way that cannot work, or the server
 *   does not know a time zone.
 * - `file_changed`: a SQL file is not the one that was planned with (its sha256 is another).
 * - `bad_files`: the SQL files themselves are wrong (names, numbers).
 * - `migration_refused`: an applied migration was edited, removed or overtaken.
 * - `statement_failed`: a statement of a SQL file failed; nothing of its transaction stayed.
 * - `not_healed`: after everything was applied again, an object is still not what it was.
 * - `data_missing`: a merchant's database is empty where it was not: nothing of ours is made in it.
 * - `name_taken`: somebody else has what this merchant's name stands for.
 * - `not_offboarding`: something would delete a merchant that is not being offboarded.
 * - `export_failed`: a merchant's data could not be exported, or what was exported is not what is in the database.
 * - `not_exported`: a merchant is to be dropped whose data is not, or no longer, what was exported.
 * - `not_adopted`: a database that was made by hand cannot be taken over as it is.
 * - `cron_jobs_left`: a role still owns a pg_cron job; dropping it would stop pg_cron for everyone.
 * - `in_use`: another session holds what must be changed or dropped.
 * - `wave_stopped`: jobs of a merchant did not go well after it was changed; no merchant of a later wave was touched.
 * - `bad_inputs`: a resource's inputs are not of the form that the program gives.
 */
export type ConvergeErrorCode =
  | "no_credential"
  | "not_connected"
  | "cannot_look"
  | "missing_right"
  | "cell_not_ready"
  | "unsupported"
  | "file_changed"
  | "bad_files"
  | "migration_refused"
  | "statement_failed"
  | "not_healed"
  | "data_missing"
  | "name_taken"
  | "not_offboarding"
  | "export_failed"
  | "not_exported"
  | "not_adopted"
  | "cron_jobs_left"
  | "in_use"
  | "wave_stopped"
  | "bad_inputs";

/** A failure that a person must read: the message says what is wrong, of which merchant or object, and what to do. */
export class ConvergeError extends Error {
  override readonly name = "ConvergeError";
  readonly code: ConvergeErrorCode;
  constructor(code: ConvergeErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/** The SQLSTATE of an error of the server, or the code of a socket error; undefined when it has neither. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/** What the error says, without its stack. */
export function messageOf(error: unknown): string {
  // A host name with several addresses fails with one error for each of them, and no text of its own.
  if (error instanceof AggregateError) return error.errors.map(messageOf).join("; ");
  return error instanceof Error ? error.message : String(error);
}

/** SQLSTATEs that the code decides by (https://www.postgresql.org/docs/current/errcodes-appendix.html). */
export const SQLSTATE = {
  invalidParameterValue: "22023",
  undefinedDatabase: "3D000",
  insufficientPrivilege: "42501",
  dependentObjectsStillExist: "2BP01",
  invalidSchemaName: "3F000",
  undefinedTable: "42P01",
  objectNotInPrerequisiteState: "55000",
  lockNotAvailable: "55P03",
  tooManyConnections: "53300",
  internalError: "XX000",
  queryCanceled: "57014",
  invalidPassword: "28P01",
  invalidAuthorization: "28000",
  cannotConnectNow: "57P03",
} as const;
