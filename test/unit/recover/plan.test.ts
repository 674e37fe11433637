import { describe, expect, test } from "vitest";
import type { Deployment, PendingOperation, Resource } from "../../../local/recover/deployment.ts";
import { merchantsToLookAt, planRecovery } from "../../../local/recover/plan.ts";
import type { CellFacts } from "../../../local/recover/server-facts.ts";
import { acme, cell, creating, database, empty, resources, role, state, urns } from "./facts.ts";

const { role: roleOf, access, database: databaseOf, migrations, foreign, merchant } = resources;
const OWNER = "merchant_acme_owner";
const strange = database({ kind: "seen", objects: ["relation public.important"], historyOwner: undefined });

function plan(before: Deployment, found: CellFacts) {
  const { deployment, lines } = planRecovery(before, new Map([["home", found]]));
  return {
    urns: deployment.resources.map(({ urn }) => urn),
    added: deployment.resources.filter(({ urn }) => !before.resources.some((one) => one.urn === urn)),
    pending: deployment.pending,
    did: lines.filter(({ kind }) => kind === "did").map(({ text }) => text),
    refused: lines.filter(({ kind }) => kind === "refused").map(({ text }) => text),
    deployment,
  };
}

describe("a pending creation", () => {
  test.for<[string, readonly Resource[], PendingOperation, CellFacts, string]>([
    ["of a role that is not there", [merchant], creating(roleOf), cell([]), "there is no role merchant_acme_owner"],
    ["of one of our own resources", [merchant, roleOf, databaseOf], creating(migrations), cell([]), "does it again"],
    ["of a component", [], creating(merchant), cell([]), "does it again"],
    ["of what the state has", [merchant, roleOf, databaseOf], creating(roleOf), cell([role(OWNER)]), "has it already"],
    [
      "of roles that carry our comment",
      [merchant, roleOf, databaseOf],
      creating(access),
      cell([role("merchant_acme_app", { comment: "merchant-jobs: acme" })]),
      "does it again",
    ],
  ])("%s is dropped", ([, there, operation, found, said]) => {
    const after = plan(state(there, [operation]), found);
    expect(after).toMatchObject({ pending: [], refused: [], added: [] });
    expect(after.did).toEqual([expect.stringContaining(said)]);
  });

  test("of a role that is there becomes a resource, with the outputs that the server gives", () => {
    const after = plan(state([merchant], [creating(roleOf)]), cell([role(OWNER, { createDatabase: true })]));
    expect(after).toMatchObject({ pending: [], refused: [] });
    expect(after.added).toMatchObject([
      { ...roleOf, id: OWNER, outputs: { id: OWNER, name: OWNER, login: false, createDatabase: true } },
    ]);
  });

  test("of a database that is there becomes a resource, with the outputs that the server gives", () => {
    const found = database(empty, { connectionLimit: -1 });
    const after = plan(state([merchant, roleOf, access], [creating(databaseOf)]), cell([role(OWNER)], [found]));
    expect(after).toMatchObject({ pending: [], refused: [] });
    expect(after.added).toMatchObject([
      { ...databaseOf, id: acme.database, outputs: { owner: OWNER, connectionLimit: -1, encoding: "UTF8" } },
    ]);
  });

  test.for<[string, PendingOperation, CellFacts, string]>([
    ["of a database with somebody's table", creating(databaseOf), cell([], [strange]), "public.important"],
    [
      "of roles that are somebody's",
      creating(access),
      cell([role("merchant_acme_job", { owns: [{ database: "billing", what: "database billing" }] })]),
      "merchant_acme_job",
    ],
    [
      "of a merchant's role under another name",
      creating({ ...roleOf, inputs: { name: "postgres" } }),
      cell([]),
      "roster",
    ],
    ["of a type that nobody knows here", creating(foreign), cell([]), "aws:s3/bucket:Bucket"],
  ])("%s is refused and stays pending", ([, operation, found, said]) => {
    const before = state(
      [merchant, roleOf, databaseOf].filter(({ urn }) => urn !== operation.resource.urn),
      [operation],
    );
    const after = plan(before, found);
    expect(after).toMatchObject({ pending: [operation], added: [], did: [] });
    expect(after.refused).toEqual([expect.stringContaining(said)]);
    expect(plan(after.deployment, found).refused).toEqual(after.refused);
  });

  test("of a merchant that the roster does not have is refused", () => {
    const before = state([], [creating({ ...roleOf, parent: urns.merchant.replace("acme", "other") })]);
    expect(plan(before, cell([])).refused).toEqual([
      expect.stringContaining("the roster in the state does not name it"),
    ]);
  });
});

test.for(["updating", "deleting", "reading", "importing"])(
  "a pending operation that is %s is dropped, its resource stays",
  (type) => {
    const before = state([merchant, roleOf, databaseOf], [{ type, resource: roleOf }]);
    const after = plan(before, cell([]));
    expect(after).toMatchObject({ pending: [], refused: [] });
    expect(after.deployment.resources).toEqual(before.resources);
  },
);

describe("what the state knows nowhere", () => {
  test("is imported with its merchant, in the order that the CLI demands", () => {
    const after = plan(state([access]), cell([role(OWNER)], [database(empty)]));
    expect(after.urns.slice(-4)).toEqual(
      [urns.merchant, urns.role, urns.access, urns.database].sort(byOrder(after.urns)),
    );
    expect(after.urns.indexOf(urns.merchant)).toBeLessThan(after.urns.indexOf(urns.role));
    expect(after.urns.indexOf(urns.access)).toBeLessThan(after.urns.indexOf(urns.database));
    expect(after.added.find(({ urn }) => urn === urns.role)).toMatchObject({
      id: OWNER,
      parent: urns.merchant,
      provider: `${urns.provider}::p-1`,
      dependencies: [urns.roster, urns.probe],
      protect: true,
      retainOnDelete: true,
    });
  });

  test("is refused when it is somebody's", () => {
    const after = plan(state([merchant, roleOf]), cell([role(OWNER)], [strange]));
    expect(after).toMatchObject({ added: [], did: [] });
    expect(after.refused).toEqual([expect.stringContaining("public.important")]);
  });

  test("is no matter when it does not exist", () => {
    expect(plan(state([merchant]), cell([]))).toMatchObject({ added: [], did: [], refused: [] });
  });
});

test("only merchants whose role or database the state lacks, or whose creation is pending, are looked at", () => {
  const whole = [merchant, roleOf, databaseOf];
  expect(merchantsToLookAt(state(whole))).toEqual([]);
  expect(merchantsToLookAt(state([merchant, roleOf]))).toEqual([acme]);
  expect(merchantsToLookAt(state(whole, [creating(access)]))).toEqual([acme]);
  expect(merchantsToLookAt({ resources: [], pending: [] })).toEqual([]);
});

test("a recovery is done when it is done: a second one finds nothing", () => {
  const found = cell([role(OWNER)], [database(empty)]);
  const first = plan(state([merchant], [creating(roleOf)]), found);
  expect(plan(first.deployment, found)).toMatchObject({ did: [], refused: [], added: [] });
});

function byOrder(order: readonly string[]) {
  return (one: string, other: string) => order.indexOf(one) - order.indexOf(other);
}

describe("a pending deletion", () => {
  const deleting = (resource: Resource): PendingOperation => ({ type: "deleting", resource });
  const there = { ...databaseOf, id: acme.database };

  test("of a database that is gone takes it out of the state: the provider could not delete it again", () => {
    const before = state([merchant, { ...roleOf, id: OWNER }, there], [deleting(there)]);
    const after = plan(before, cell([role(OWNER)]));
    expect(after).toMatchObject({ pending: [], refused: [] });
    expect(after.urns).not.toContain(urns.database);
    expect(after.did).toEqual([expect.stringContaining("it was deleted")]);
  });

  test("of a database that is there is dropped, and the state keeps the database", () => {
    const found = cell([role(OWNER)], [database(empty)]);
    const after = plan(state([merchant, { ...roleOf, id: OWNER }, there], [deleting(there)]), found);
    expect(after).toMatchObject({ pending: [], refused: [] });
    expect(after.urns).toContain(urns.database);
  });
});
