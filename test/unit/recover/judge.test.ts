import { expect, test } from "vitest";
import { judgeDatabase, judgeRole } from "../../../local/recover/judge.ts";
import type { DatabaseFacts, RoleFacts } from "../../../local/recover/server-facts.ts";
import { acme, cell, database, empty, role } from "./facts.ts";

const OWNER = "merchant_acme_owner";
const ours = database({ kind: "seen", objects: ["schema merchant_jobs", "table app.jobs"], historyOwner: OWNER });
const strange = database({ kind: "seen", objects: ["relation public.important"], historyOwner: undefined });

test.for<[string, DatabaseFacts | undefined, string, string?]>([
  ["that holds a table of somebody", strange, "foreign", "public.important"],
  [
    "whose history belongs to another role",
    database({ ...ours.content, historyOwner: "somebody" } as never),
    "foreign",
  ],
  ["that is empty and another's", database(empty, { owner: "somebody" }), "foreign", "somebody owns it"],
  ["that nobody could enter", database({ kind: "closed", reason: "no entry" }), "foreign", "no entry"],
  ["that does not exist", undefined, "absent"],
  ["that is empty and the owner role's", database(empty), "ours"],
  ["that is empty and the administrator's", database(empty, { owner: "platform_admin" }), "ours"],
  ["with the history of the owner role", ours, "ours"],
])("a database %s", ([, found, kind, reason]) => {
  const verdict = judgeDatabase(acme, cell([], found ? [found] : []));
  expect(verdict.kind).toBe(kind);
  if (reason !== undefined) expect(verdict).toMatchObject({ reason: expect.stringContaining(reason) as string });
});

const inDatabase = { database: "merchant_acme", what: "objects in database merchant_acme" };
const elsewhere = { database: "billing", what: "database billing" };

test.for<[string, RoleFacts | undefined, DatabaseFacts | undefined, string]>([
  ["that owns another database", role(OWNER, { owns: [elsewhere] }), undefined, "foreign"],
  ["that owns another database besides ours", role(OWNER, { owns: [inDatabase, elsewhere] }), ours, "foreign"],
  ["that owns things in a database that is not ours", role(OWNER, { owns: [inDatabase] }), strange, "foreign"],
  [
    "with the comment of another merchant",
    role(OWNER, { comment: "merchant-jobs: acm", owns: [elsewhere] }),
    undefined,
    "foreign",
  ],
  ["that does not exist", undefined, undefined, "absent"],
  ["that owns nothing", role(OWNER), undefined, "ours"],
  ["with our comment", role(OWNER, { comment: "merchant-jobs: acme", owns: [elsewhere] }), undefined, "ours"],
  ["that owns our database and what is in it", role(OWNER, { owns: [inDatabase] }), ours, "ours"],
])("a role %s", ([, found, there, kind]) => {
  const verdict = judgeRole(OWNER, acme, cell(found ? [found] : [], there ? [there] : []));
  expect(verdict.kind).toBe(kind);
  if (verdict.kind === "foreign") expect(verdict.fix).toContain(OWNER);
});
