import { describe, expect, test } from "vitest";
import { isLoopback } from "../../../spec/cells.ts";
import { SpecError, type Problem } from "../../../spec/problems.ts";
import { parseStack } from "../../../spec/stack.ts";

const good = { kind: "server", host: "db.example.com", admin: "merchant_admin", credential: { env: "DB_PASSWORD" } };

const parse = (cell: unknown) => parseStack({ cells: { main: cell }, merchants: {} }).cells["main"];

function problemsOf(cell: unknown): readonly Problem[] {
  try {
    parse(cell);
    return [];
  } catch (error) {
    if (error instanceof SpecError) return error.problems;
    throw error;
  }
}

describe("a cell is refused when", () => {
  test.for<readonly [string, unknown, readonly string[]]>([
    ["it has no kind", {}, ["kind"]],
    ["its kind is no text", { kind: 1 }, ["kind"]],
    ["its kind is unknown", { kind: "sever", host: 1 }, ["kind"]],
    ["it is local and has an address", { kind: "local", host: "localhost" }, ["host"]],
    ["it has nothing but its kind", { kind: "server" }, ["host", "admin", "credential"]],
    ["its host is empty", { ...good, host: "" }, ["host"]],
    ["its host is a URL", { ...good, host: "postgres://db.example.com" }, ["host"]],
    ["its host has a port", { ...good, host: "db.example.com:5432" }, ["host"]],
    ["its host is a folder", { ...good, host: "/var/run/postgresql" }, ["host"]],
    ["its port is text", { ...good, port: "5432" }, ["port"]],
    ["its port is 0", { ...good, port: 0 }, ["port"]],
    ["its port is too large", { ...good, port: 65_536 }, ["port"]],
    ["its admin is empty", { ...good, admin: "" }, ["admin"]],
    ["its admin is longer than a name may be", { ...good, admin: "é".repeat(32) }, ["admin"]],
    ["its credential is the password", { ...good, credential: "hunter2" }, ["credential"]],
    ["its credential is empty", { ...good, credential: {} }, ["credential"]],
    ["its credential has two places", { ...good, credential: { env: "A", config: "b" } }, ["credential"]],
    ["its variable has no name of a variable", { ...good, credential: { env: "hunter2!" } }, ["credential"]],
    ["its credential is a key that is taken", { ...good, credential: { config: "merchants" } }, ["credential"]],
    ["it has the password", { ...good, password: "hunter2" }, ["password"]],
    ["it does not verify", { ...good, tls: "require" }, ["tls"]],
    ["it disables TLS for another machine", { ...good, tls: "disable" }, ["tls"]],
    ["it has a CA that is not read", { ...good, host: "::1", tls: "disable", caFile: "ca.pem" }, ["caFile"]],
    ["its scheduler is unknown", { kind: "local", scheduler: "cron" }, ["scheduler"]],
    ["its scheduler is no text", { ...good, scheduler: true }, ["scheduler"]],
    ["its CA is no path", { ...good, caFile: "" }, ["caFile"]],
  ])("%s", ([, cell, keys]) => {
    const problems = problemsOf(cell);
    expect(problems.map(({ path }) => path)).toEqual(keys.map((key) => `merchant-jobs:cells.main.${key}`));
    expect(JSON.stringify(problems)).not.toContain("hunter2");
  });

  test("someone writes a password, and is told where it goes", () => {
    expect(problemsOf({ ...good, password: "hunter2" })).toEqual([
      {
        path: "merchant-jobs:cells.main.password",
        rule: "is not a setting that exists",
        fix: "take it out; say where the credential is: credential: {env: NAME} or credential: {config: key}",
      },
    ]);
  });

  test("someone writes a password beside the cells, and it is not shown", () => {
    const cells = { main: good, password: "hunter2" };
    expect(() => parseStack({ cells, merchants: {} })).toThrow(/cells\.password\n {4}must be a map of settings/);
  });

  test.for(["", "A", "1a", "eu_1", "a".repeat(32), "a.b"])("its name is %j", (name) => {
    expect(() => parseStack({ cells: { [name]: good }, merchants: {} })).toThrow("is not a name for a cell");
  });
});

describe("a cell that is right", () => {
  test("has the defaults for what it leaves out", () => {
    expect(parse(good)).toEqual({ name: "main", ...good, scheduler: "pg_cron", port: 5432, tls: "verify-full" });
    expect(parse({ kind: "local" })).toEqual({ name: "main", kind: "local", scheduler: "pg_cron" });
  });

  test("has what it says", () => {
    const more = { port: 6000, tls: "verify-full", caFile: "ca.pem", credential: { config: "dbPassword" } };
    const all = { ...good, scheduler: "runner", ...more };
    expect(parse(all)).toEqual({ name: "main", ...all });
    expect(parse({ kind: "local", scheduler: "runner" })).toMatchObject({ scheduler: "runner" });
  });

  test.for(["127.0.0.1", "127.8.9.1", "::1", "localhost", "LOCALHOST"])("may disable TLS on %s", (host) => {
    expect(parse({ ...good, host, tls: "disable" })).toMatchObject({ tls: "disable" });
  });

  test.for(["10.0.0.1", "2001:db8::1", "db", "db_1.internal", "xn--bcher-kva.example", "eu-1.rds.amazonaws.com."])(
    "may have the host %s",
    (host) => {
      expect(parse({ ...good, host })).toMatchObject({ host });
    },
  );
});

test.for(["127.0.0.1.example.com", "127.1", "0.0.0.0", "::", "localhost.example.com", "::ffff:127.0.0.1", "128.0.0.1"])(
  "%s does not count as this machine",
  (host) => {
    expect(isLoopback(host)).toBe(false);
  },
);
