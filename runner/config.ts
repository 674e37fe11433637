import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { z } from "zod";
import { codeOf, messageOf } from "../converge/errors.ts";
import { isLoopback } from "../spec/cells.ts";
import { CELL_NAME } from "../spec/names.ts";
import { didYouMean } from "../spec/suggest.ts";

/** The role that sql/server/administrator.sql makes for the runner on every server. */
export const RUNNER_ROLE = "merchant_jobs_runner";

const credential = z.union(
  [
    z.strictObject({ env: z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/) }),
    z.strictObject({ file: z.string().min(1) }),
    z.strictObject({ iam: z.string().regex(/^[a-z]{2}(?:-[a-z]+)+-\d$/) }),
  ],
  {
    error:
      "must say where the password is, by one of {env: NAME}, an environment variable; {file: path}; or on RDS {iam: region}, " +
      "such as eu-central-1. It never holds the password",
  },
);

const cell = z
  .strictObject({
    /** A host name or an IP address, of the server itself: a pooler in transaction mode is refused. */
    host: z.string().min(1).max(253),
    port: z.int().min(1).max(65_535).default(5432),
    user: z.string().min(1).max(63).default(RUNNER_ROLE),
    /**
     * Where the password is: an environment variable, or a file, which is read again for each connection. Or, of an instance
     * of RDS in this region, a token of IAM.
     */
    credential,
    tls: z.enum(["verify-full", "disable"]).default("verify-full"),
    /** A file of certificates (PEM) to verify the server with. Default: those that Node trusts; with iam, Amazon's. */
    caFile: z.string().min(1).optional(),
  })
  .refine(({ tls, host }) => tls === "verify-full" || isLoopback(host), {
    path: ["tls"],
    message: "disable is accepted for loopback addresses only: leave tls out",
  });

const schema = z.strictObject({
  cells: z
    .record(z.string().regex(CELL_NAME, "is not a name for a cell: lower-case letters, digits and -"), cell)
    .refine((cells) => Object.keys(cells).length > 0, "must have at least one cell"),
  listen: z
    .strictObject({ host: z.string().min(1).default("127.0.0.1"), port: z.int().min(0).max(65_535).default(9187) })
    .prefault({}),
  /** Runs that a cell has at once at most. */
  maxRunsPerCell: z.int().min(1).max(100).default(5),
  /** Whether to run what is overdue where pg_cron is the scheduler. */
  rescue: z.boolean().default(true),
  /** Seconds from one look at a cell to the next. */
  cellEverySeconds: z.number().min(0.2).max(300).default(15),
  /** Seconds in which every merchant is visited once. */
  merchantEverySeconds: z.number().min(0.2).max(3600).default(300),
  /** Seconds that runs have to end after SIGTERM; then they are cancelled. */
  graceSeconds: z.number().min(0).max(600).default(25),
});

/** What the runner is told. All times in seconds. */
export type RunnerConfig = z.output<typeof schema>;
/** A server as the runner is told of it. */
export type RunnerCell = RunnerConfig["cells"][string];

/** A configuration that cannot be used; the message has every problem at once. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** Reads the configuration from YAML or JSON. Throws a ConfigError with every problem, each with its place. */
export function parseConfig(text: string, source: string): RunnerConfig {
  let raw: unknown;
  try {
    // With prettyErrors the message would quote the line, in which a password may stand.
    raw = parse(text, { prettyErrors: false });
  } catch (error) {
    throw new ConfigError(`${source} is neither YAML nor JSON: ${messageOf(error)}`);
  }
  const read = schema.safeParse(raw ?? {});
  if (read.success) return read.data;
  const problems = read.error.issues.flatMap(describeIssue);
  throw new ConfigError([`${source} cannot be used (docs/runner.md has an example):`, ...problems].join("\n- "));
}

/** An issue as one line, with its place: no value, which may be a password that was written where it does not belong. */
function describeIssue(issue: z.core.$ZodIssue): readonly string[] {
  const at = (key?: string) => [...issue.path, ...(key === undefined ? [] : [key])].join(".");
  if (issue.code !== "unrecognized_keys") return [`${at() || "the file"}: ${issue.message}`];
  const [first, second] = issue.path;
  const known =
    first === "cells" && second !== undefined
      ? cell.shape
      : first === "listen"
        ? { host: true, port: true }
        : schema.shape;
  return issue.keys.map((key) => `${at(key)}: there is no such key; ${didYouMean(key, Object.keys(known))}`);
}

/** Reads the configuration from a file. Throws a ConfigError. */
export function readConfigFile(file: string): RunnerConfig {
  try {
    return parseConfig(readFileSync(file, "utf8"), file);
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const what = codeOf(error) === "ENOENT" ? "is not there" : `cannot be read: ${messageOf(error)}`;
    throw new ConfigError(`${file} ${what}; name another with --config, or see docs/runner.md`);
  }
}
