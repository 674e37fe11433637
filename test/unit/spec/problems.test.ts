import { describe, expect, test } from "vitest";
import { describeProblem, SpecError } from "../../../spec/problems.ts";
import { hideSecrets } from "../../../spec/redact.ts";
import { didYouMean, suggest } from "../../../spec/suggest.ts";

const rule = "is wrong";
const fix = "make it right";

describe("a problem", () => {
  test("shows at most 80 characters of its value", () => {
    const [first = ""] = describeProblem({ path: "p", value: "x".repeat(500), rule, fix }).split("\n");
    expect(first).toBe(`- p = "${"x".repeat(78)}…`);
    const [smiling = ""] = describeProblem({ path: "p", value: "🙂".repeat(500), rule, fix }).split("\n");
    expect(smiling).toBe(`- p = "${"🙂".repeat(78)}…`);
  });

  test("shows null and false, and nothing for a value that is not there", () => {
    expect(describeProblem({ path: "p", value: null, rule, fix })).toMatch(/^- p = null\n/);
    expect(describeProblem({ path: "p", value: false, rule, fix })).toMatch(/^- p = false\n/);
    expect(describeProblem({ path: "p", rule, fix })).toMatch(/^- p\n/);
  });

  test("keeps a credential out of the message and out of `problems`", () => {
    const error = new SpecError([{ path: "p", value: [{ name: "a", password: "hunter2" }], rule, fix }]);
    expect(error.message).toContain('- p = [{"name":"a","password":"(not shown)"}]');
    expect(JSON.stringify(error.problems)).not.toContain("hunter2");
  });
});

describe("what looks like a credential is hidden", () => {
  test.for([
    { password: "hunter2" },
    { pasword: "hunter2" },
    { PGPASSWORD: "hunter2" },
    { adminPwd: "hunter2" },
    { credential: { env: "hunter2" } },
    { apiKey: "hunter2" },
    { clientSecret: ["hunter2"] },
    { databaseUrl: "hunter2" },
    { deep: [{ deeper: { accessToken: "hunter2" } }] },
    "postgres://admin:hunter2@db.example.com/x",
    "admin:hunter2@db.example.com",
    "host=db password=hunter2",
    ["host=db password = hunter2"],
  ])("%j", (value) => {
    expect(JSON.stringify(hideSecrets(value))).not.toContain("hunter2");
  });

  test.for([
    { kind: "server", host: "db.example.com", port: 5432, admin: "merchant_admin", tls: "verify-full" },
    { lot_expiry: { schedule: "0 2 * * *", enabled: false } },
    ["acme", null, true, 1.5],
    "::1",
  ])("and nothing else is: %j", (value) => {
    expect(hideSecrets(value)).toEqual(value);
  });
});

describe("a misspelt word is recognised", () => {
  const known = ["cell", "database", "suspended", "connectionLimit", "jobs"];

  test.for([
    ["cel", "cell"],
    ["cells", "cell"],
    ["Cell", "cell"],
    ["clel", "cell"],
    ["suspend", "suspended"],
    ["susepnded", "suspended"],
    ["connection_limit", "connectionLimit"],
    ["job", "jobs"],
    ["dtabase", "database"],
  ] as const)("%s is %s", ([word, meant]) => {
    expect(suggest(word, known)).toBe(meant);
  });

  test.for(["owner", "x", "", "tls", "timezone"])("%j is none of them", (word) => {
    expect(suggest(word, known)).toBeUndefined();
    expect(didYouMean(word, known)).toBe("use one of: cell, database, suspended, connectionLimit, jobs");
  });
});
