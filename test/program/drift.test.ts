// What somebody changes by hand, all kinds at once on a stack of merchants, on the engine that the tests are run with.
// Each test goes on where the one before it ended.
import { writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type DriftKind, HEALED, MERCHANTS, merchantOf, named } from "../drift/kinds.ts";
import { MORE_OBJECTS } from "../drift/relation-kinds.ts";
import { sectionsOf } from "../drift/sections.ts";
import { makeProject, type Project } from "../project.ts";
import { type OwnServer, startOwnServer, superuserClient } from "../server.ts";

let own: OwnServer;
let project: Project;

beforeAll(async () => {
  own = await startOwnServer({ settings: {} });
  project = await makeProject({ merchants: MERCHANTS, server: own.server });
  writeFileSync(path.join(project.folder, "sql/merchant/ledger/migrations/003_create_notes.sql"), MORE_OBJECTS);
  const { status, out, err } = await up();
  expect(status, err + out).toBe(0);
});
afterAll(async () => {
  project.remove();
  await own.remove();
});

const up = (...flags: readonly string[]) => project.pulumi("up", "--yes", "--skip-preview", ...flags);
const look = () => project.pulumi("preview", "--refresh", "--diff", "--expect-no-changes");

/** Does what the kinds say, in their order, each database's in one session. */
async function damage(kinds: readonly DriftKind[]): Promise<void> {
  const places = Map.groupBy(kinds, ({ in: where, at }) => (where === "own" ? merchantOf(at).database : where));
  for (const [database, all] of places) {
    const client = await superuserClient(database, own.server);
    try {
      for (const kind of all) await client.query(textOf(kind, kind.by));
    } finally {
      await client.end();
    }
  }
}

const textOf = ({ at }: DriftKind, text: string) => (at === "home" ? text : named(text, merchantOf(at)));
const resourceOf = ({ at, resource }: DriftKind) => `${at}-${resource}`;
const resourcesOf = (kind: DriftKind) => [
  resourceOf(kind),
  ...(kind.also ?? []).map((other) => (other.includes("-") ? other : `${kind.at}-${other}`)),
];

/** Whether the lines of a kind stand in the text, in their order. */
function isShown(kind: DriftKind, text: string): boolean {
  let from = 0;
  for (const line of kind.shows) {
    const [before = "", after = ""] = textOf(kind, line).split("…");
    const found = text.indexOf(before, from);
    if (found < 0 || !text.slice(found, text.indexOf("\n", found)).includes(after)) return false;
    from = found + before.length;
  }
  return true;
}

/** What is said to differ of each merchant's objects, exactly. */
function objectsOf(kinds: readonly DriftKind[]): ReadonlyMap<string, readonly string[]> {
  const shownElsewhere = new Set(
    kinds.flatMap(resourcesOf).filter((name) => !kinds.some((kind) => resourceOf(kind) === name)),
  );
  const all = kinds.filter(({ resource }) => resource === "migrations" || resource === "access");
  return new Map(
    [...Map.groupBy(all, resourceOf)]
      .filter(([resource]) => !shownElsewhere.has(resource))
      .map(([resource, of]) => [
        resource,
        of.flatMap((kind) => kind.shows.map((line) => textOf(kind, line).slice(2).split(': "')[0] ?? "")).sort(),
      ]),
  );
}

function found(sections: ReadonlyMap<string, string>, resource: string): readonly string[] {
  return [...(sections.get(resource) ?? "").matchAll(/^ {10}\+ (.*?): "/gm)].map(([, object]) => object ?? "").sort();
}

test("every kind is shown by its merchant and object, declared => found, where it is and nowhere else", async () => {
  await damage(HEALED);
  const { status, out, err } = await look();
  expect(status, err + out).toBe(7);
  const sections = sectionsOf(out);
  expect([...sections.keys()].sort()).toEqual([...new Set(HEALED.flatMap(resourcesOf))].sort());
  for (const [resource, objects] of objectsOf(HEALED)) expect(found(sections, resource), resource).toEqual(objects);
  const unseen = HEALED.filter((kind) => !isShown(kind, sections.get(resourceOf(kind)) ?? ""));
  expect(unseen.map(({ kind, shows }) => [kind, ...shows])).toEqual([]);
});

test("a refresh does not make it the truth, and up --refresh heals all of it, once", async () => {
  const refreshed = await project.pulumi("refresh", "--yes", "--skip-preview");
  expect(refreshed.status, refreshed.err + refreshed.out).toBe(0);
  expect((await project.pulumi("preview", "--expect-no-changes")).status).toBe(7);
  const healed = await up("--refresh");
  expect(healed.status, healed.err + healed.out).toBe(0);
  const clean = await look();
  expect(clean.status, clean.err + clean.out).toBe(0);
  const again = await up("--refresh", "--expect-no-changes");
  expect(again.status, again.err + again.out).toBe(0);
});
