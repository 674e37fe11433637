import { isIPv4, isIPv6 } from "node:net";
import { z } from "zod";
import { type AdoptedCell, parseAdoptedCell } from "./aws/adopted-cell.ts";
import { parseRdsCell, type RdsCell } from "./aws/rds-cell.ts";
import { CELL_NAME, CONFIG_KEYS, MAX_NAME_BYTES } from "./names.ts";
import { isObject, type Path, type Report } from "./report.ts";
import { didYouMean } from "./suggest.ts";

/** Who starts the jobs of a cell's merchants when they are due: pg_cron in its server, or the runner from outside. */
export const SCHEDULERS = ["pg_cron", "runner"] as const;

export type Scheduler = (typeof SCHEDULERS)[number];

/** The server that this repository starts; its address and credential stand in `.local/server.json`. */
export interface LocalCell {
  readonly name: string;
  readonly kind: "local";
  /** Default pg_cron. With runner the server need not have pg_cron. */
  readonly scheduler: Scheduler;
  /** True: the jobs of all its merchants rest. */
  readonly suspended?: boolean;
}

/** Where the administrator's password is: an environment variable, or a secret of the stack's configuration. */
export type Credential = { readonly env: string } | { readonly config: string };

/** A PostgreSQL server that exists already. */
export interface ServerCell {
  readonly name: string;
  readonly kind: "server";
  /** Default pg_cron, which the server must have then. */
  readonly scheduler: Scheduler;
  /** A host name or an IP address. */
  readonly host: string;
  /** Default 5432. */
  readonly port: number;
  /** The role that converges the server: NOSUPERUSER CREATEDB CREATEROLE is enough. */
  readonly admin: string;
  readonly credential: Credential;
  /** Default verify-full. Disable is accepted for loopback addresses only. */
  readonly tls: "verify-full" | "disable";
  /** A file of certificates (PEM) to verify the server with. Default: those that Node trusts. */
  readonly caFile?: string;
  /** True: the jobs of all its merchants rest. */
  readonly suspended?: boolean;
}

export type CellSpec = LocalCell | ServerCell | RdsCell | AdoptedCell;

/** What was read: the well-formed cells, and of all that was written the names and the configuration keys of secrets. */
export interface CellsRead {
  readonly cells: readonly CellSpec[];
  readonly names: readonly string[];
  readonly secretKeys: readonly string[];
}

/** What a cell can be. */
export const KINDS = ["local", "server", "rds", "adopted"];

const KIND = {
  about: "what the cell is; it decides which other settings there are",
  schema: z.string(),
  rule: `must be ${KINDS.join(" or ")}`,
  fix:
    "write kind: local for the server that this repository starts, kind: server for one of your own, kind: rds for an " +
    "instance on Amazon RDS that the stack makes, or kind: adopted for one that exists there",
  required: true,
} as const;

const SUSPENDED = {
  about: "`true`: the jobs of all its merchants rest",
  default: "false",
  schema: z.boolean(),
  rule: "must be true or false",
  fix: "write true or false, without quotes",
} as const;

const DEFAULT_SCHEDULER: Scheduler = "pg_cron";

const SCHEDULER = {
  about: "who starts the jobs of its merchants: pg_cron in the server, or [the runner](runner.md) from outside",
  default: DEFAULT_SCHEDULER,
  schema: z.enum(SCHEDULERS),
  rule: `must be ${SCHEDULERS.join(" or ")}`,
  fix: "leave it out for pg_cron, or write scheduler: runner for a server without it (docs/runner.md)",
} as const;

/** The settings of a cell of kind `local`. */
export const LOCAL_FIELDS = { kind: KIND, scheduler: SCHEDULER, suspended: SUSPENDED } as const;

const DEFAULT_PORT = 5432;
const DEFAULT_TLS = "verify-full";

/** The settings of a cell of kind `server`. */
export const SERVER_FIELDS = {
  kind: KIND,
  scheduler: SCHEDULER,
  suspended: SUSPENDED,
  host: {
    about: "the server's address",
    schema: z.string().max(253).refine(isHost),
    rule: "must be a host name or an IP address",
    fix: "write the name alone, for example db.example.com; port, admin and credential are keys of their own",
    required: true,
  },
  port: {
    about: "the port it listens on",
    default: String(DEFAULT_PORT),
    schema: z.int().min(1).max(65_535),
    rule: "must be a port, a whole number from 1 to 65535",
    fix: "write the number without quotes, or leave it out for 5432",
  },
  admin: {
    about:
      "the role that converges it, no superuser, made by " +
      "[sql/server/administrator.sql](../sql/server/administrator.sql)",
    schema: z
      .string()
      .regex(/^[^\u0000-\u001f]+$/)
      .refine((name) => Buffer.byteLength(name) <= MAX_NAME_BYTES),
    rule: `must be the name of a role, at most ${MAX_NAME_BYTES} bytes`,
    fix: "write the role that may create databases and roles, for example merchant_admin",
    required: true,
  },
  credential: {
    about: "where its password is: `{env: NAME}`, or `{config: key}` after `pulumi config set --secret key`",
    schema: z.union([
      z.strictObject({ env: z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/) }),
      z.strictObject({
        config: z
          .string()
          .regex(/^[A-Za-z][A-Za-z0-9_.-]*$/)
          .refine((key) => !CONFIG_KEYS.includes(key)),
      }),
    ]),
    rule: "must say where the password is, by exactly one of env and config; it never holds the password",
    fix:
      "write credential: {env: DB_PASSWORD} for an environment variable, or credential: {config: dbPassword} " +
      "after `pulumi config set --secret dbPassword`",
    required: true,
  },
  tls: {
    about:
      "whether the connection is encrypted and the server's certificate verified; `disable` on a loopback address only",
    default: DEFAULT_TLS,
    schema: z.enum(["verify-full", "disable"]),
    rule: "must be verify-full or disable",
    fix: "leave it out: verify-full is the default",
  },
  caFile: {
    about: "the certificate authorities to verify the server with",
    default: "those that Node.js trusts",
    schema: z.string().min(1),
    rule: "must be the path of a file of certificates (PEM)",
    fix: "write the path, or leave it out for the certificates that Node trusts",
  },
} as const;

const EXAMPLE = "{home: {kind: local}}";

/** Reads the map of cells. */
export function parseCells(report: Report, path: Path, raw: unknown): CellsRead {
  const entries = report.readMap(path, raw, "names of cells to servers", EXAMPLE);
  if (entries.length === 0 && report.problems.length === 0) {
    report.add(path, raw, "must have at least one cell", `write it as ${EXAMPLE}`);
  }
  const cells = entries.map(([name, cell]) => parseCell(report, path, name, cell));
  return {
    cells: cells.filter((cell) => cell !== undefined),
    names: entries.map(([name]) => name),
    secretKeys: entries.flatMap(([, cell]) => secretKey(cell)),
  };
}

/** Says whether the host is this machine: 127.0.0.0/8, ::1 or localhost. Other spellings count as another machine. */
export function isLoopback(host: string): boolean {
  return (isIPv4(host) && host.startsWith("127.")) || host === "::1" || host.toLowerCase() === "localhost";
}

function parseCell(report: Report, parent: Path, name: string, raw: unknown): CellSpec | undefined {
  const path: Path = [...parent, name];
  if (!CELL_NAME.test(name)) {
    report.add(
      path,
      undefined,
      "is not a name for a cell: lower-case letters, digits and -, a letter first, at most 31",
      "choose a name such as home or eu-1",
    );
  }
  if (!isObject(raw)) {
    report.add(path, raw, "must be a map of settings", `write it as ${name}: {kind: local}`);
    return undefined;
  }
  const { kind } = raw;
  if (kind === "server") return parseServer(report, path, name, raw);
  if (kind === "rds") return parseRdsCell(report, path, name, raw);
  if (kind === "adopted") return parseAdoptedCell(report, path, name, raw);
  if (kind === "local") {
    const known = Object.entries(raw).filter(([key]) => Object.hasOwn(LOCAL_FIELDS, key));
    for (const key of Object.keys(raw).filter((written) => !Object.hasOwn(LOCAL_FIELDS, written))) {
      report.add([...path, key], undefined, "is not a setting of a local cell", "remove it, or write kind: server");
    }
    const fields = report.readFields(path, Object.fromEntries(known), LOCAL_FIELDS, "{kind: local}");
    const { scheduler = DEFAULT_SCHEDULER, suspended } = fields ?? {};
    return { name, kind, scheduler, ...(suspended === true && { suspended }) };
  }
  const at: Path = [...path, "kind"];
  if (typeof kind === "string") {
    report.add(at, kind, KIND.rule, didYouMean(kind, KINDS));
  } else {
    report.add(at, kind, kind === undefined ? `is missing: it ${KIND.rule}` : KIND.rule, KIND.fix);
  }
  return undefined;
}

function parseServer(report: Report, path: Path, name: string, raw: unknown): ServerCell | undefined {
  const fields = report.readFields(path, raw, SERVER_FIELDS, "{kind: server, host: …, admin: …, credential: {env: …}}");
  if (fields === undefined) return undefined;
  const { host, port = DEFAULT_PORT, admin, credential, tls = DEFAULT_TLS, caFile, suspended } = fields;
  const { scheduler = DEFAULT_SCHEDULER } = fields;
  if (host !== undefined && tls === "disable" && !isLoopback(host)) {
    report.add(
      [...path, "tls"],
      tls,
      `is accepted for loopback addresses only, and the host is ${host}`,
      "leave tls out; give the server's own certificate authority as caFile",
    );
  }
  if (tls === "disable" && caFile !== undefined) {
    report.add([...path, "caFile"], caFile, "is not read when tls is disable", "remove caFile, or tls: disable");
  }
  if (host === undefined || admin === undefined || credential === undefined) return undefined;
  const options = { ...(caFile !== undefined && { caFile }), ...(suspended === true && { suspended }) };
  return { name, kind: "server", scheduler, host, port, admin, credential, tls, ...options };
}

function isHost(text: string): boolean {
  return isIPv4(text) || isIPv6(text) || /^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_-]+)*\.?$/.test(text);
}

/** The configuration key that a cell takes its password from, also when the cell is wrong in other ways. */
function secretKey(cell: unknown): readonly string[] {
  if (!isObject(cell) || !isObject(cell["credential"])) return [];
  const { config } = cell["credential"];
  return typeof config === "string" ? [config] : [];
}
