import type { ServerAddress } from "./address.ts";
import { ConvergeError, codeOf, messageOf, SQLSTATE } from "./errors.ts";

/** Whether a login was refused for its password: RDS answers a token of IAM by the second code. */
export function isRefusedLogin(error: unknown): boolean {
  const code = codeOf(error);
  return code === SQLSTATE.invalidPassword || code === SQLSTATE.invalidAuthorization;
}

/** A missing database keeps its SQLSTATE as `cause`: whoever reads may take it for "gone". */
export function notConnected(address: ServerAddress, database: string, error: unknown): ConvergeError {
  const where = `cell ${address.cell}, database ${database} at ${address.host}:${address.port}`;
  const way = isRefusedLogin(error)
    ? "check the cell's credential"
    : codeOf(error) === "ECONNREFUSED"
      ? "is the server running, and is this its address?"
      : "see the server's log";
  return new ConvergeError("not_connected", `${where}: ${messageOf(error)}; ${way}`, { cause: error });
}

/** Whether a connection failed because the database is not there. */
export function isMissingDatabase(error: unknown): boolean {
  return (
    error instanceof ConvergeError &&
    error.code === "not_connected" &&
    codeOf(error.cause) === SQLSTATE.undefinedDatabase
  );
}

/**
 * Whether the administrator may not look into a database, which only its membership in the owner role lets it do. From
 * PostgreSQL 16 on it may not even connect: it does not inherit from the job role, which may.
 */
export function isForbidden(error: unknown): boolean {
  const atConnecting = error instanceof ConvergeError && error.code === "not_connected";
  return codeOf(atConnecting ? error.cause : error) === SQLSTATE.insufficientPrivilege;
}
