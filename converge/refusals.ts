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
  return new ConvergeError("not_connected", `${where}: ${messageOf(error)}; ${wayOut(address, database, error)}`, {
    cause: error,
  });
}

/** What to do about a connection that failed, by its code: PostgreSQL's, the system's, or that of Node's TLS. */
function wayOut({ user }: ServerAddress, database: string, error: unknown): string {
  // A host name with several addresses fails with the code of the first one.
  const code = codeOf(error) ?? "";
  switch (code) {
    case SQLSTATE.invalidPassword:
      return `check the cell's credential: it is not the password of ${user} (a superuser sets one: \\password ${user})`;
    case SQLSTATE.invalidAuthorization:
      return `check the cell's credential: may ${user} log in, and does pg_hba.conf let it in from here?`;
    case SQLSTATE.undefinedDatabase:
      return database === "cron"
        ? "make the server ready as superuser: createdb cron, and sql/server/administrator.sql in it"
        : "was it renamed or dropped? docs/runbook/troubles.md says what to look at";
    case SQLSTATE.objectNotInPrerequisiteState:
      return "somebody closed it: up --refresh opens it again";
    case SQLSTATE.tooManyConnections:
      return wayToConnect(user, database, messageOf(error));
    case SQLSTATE.cannotConnectNow:
      return "the server is starting or stopping: try again in a moment";
    case SQLSTATE.insufficientPrivilege:
      return `a right of ${user} was taken: up --refresh gives back what it may`;
    case "ECONNREFUSED":
      return "is the server running, and is this its address?";
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return "is the host's name right, and does this machine's DNS know it?";
    case "ETIMEDOUT":
    case "EHOSTUNREACH":
    case "ENETUNREACH":
      return "is this its address, and does a firewall stand between?";
    case "ERR_TLS_CERT_ALTNAME_INVALID":
      return "write the host as the server's certificate has it";
  }
  if (/CERT|ISSUER|SIGNATURE/.test(code))
    return "name the authority of the server's certificate: caFile, a file of PEM texts";
  // The driver's own words, of a server that takes a connection and is silent, or of a network that is.
  if (/\btimeout\b/.test(messageOf(error)))
    return "nothing answered in time: does the server hang, or has it too much to do, or does a firewall stand between?";
  return "is that a PostgreSQL server that takes TLS, and has it time to answer? Its log may say more";
}

/** One SQLSTATE has three limits: in any language the message names the database, or the role, whose own limit it is. */
function wayToConnect(user: string, database: string, message: string): string {
  if (message.includes(database))
    return "the limit is the database's own: end what idles in it, or raise it (connectionLimit of a merchant)";
  if (message.includes(user)) return `the limit is the role's own: alter role ${user} connection limit -1`;
  return "the server has no connection left: end some, or raise max_connections";
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
