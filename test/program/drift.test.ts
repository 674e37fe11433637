// What somebody changes by hand, all kinds at once on a stack of merchants, on the engine that the tests are run with.
// Each test goes on where the one before it ended.
import { appendFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { applyAccess } from "../../converge/access.ts";
import { applyCrontab } from "../../converge/crontab.ts";
import { applyMigrations } from "../../converge/migrations.ts";
import { readProbe } from "../../converge/probe.ts";
import { allJobsGone, cellProblems, leftOver, notLoaded } from "../drift/cell-kinds.ts";
import { type DriftKind, HEALED, MERCHANTS, merchantOf, named } from "../drift/kinds.ts";
import { FILE_KINDS, refusedKinds } from "../drift/refused-kinds.ts";
import { UNSEEN } from "../drift/unseen.ts";
import { filesOf, targetsOf, testCell } from "../merchants.ts";
import { MORE_OBJECTS } from "../drift/relation-kinds.ts";
import { sectionsOf, unaligned } from "../drift/sections.ts";
import { makeProject, type Project } from "../project.ts";
import { type OwnServer, restartPostmaster, startOwnServer, superuserClient } from "../server.ts";

let own: OwnServer;
let project: Project;
/** What the first look prints to remove a job that is left over. */
let removal = "";

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
const look = () => project.pulumi("preview", "--refresh", "--diff", "--show-full-output", "--expect-no-changes");

/** Does what the kinds say, in their order, each database's in one session. */
async function damage(kinds: readonly DriftKind[]): Promise<void> {
  const places = Map.groupBy(kinds, ({ in: where, at }) => (where === "own" ? merchantOf(at).database : where));
  for (const [database, all] of places) {
    const client = await superuserClient(database, own.server);
    try {
      for (const kind of all) {
        // CREATE DATABASE is no part of a transaction, which several statements at once would be.
        const text = textOf(kind, kind.by);
        for (const statement of database === "postgres" ? text.split("; ") : [text]) await client.query(statement);
      }
    } finally {
      await client.end();
    }
  }
}

async function ask<T>(database: string, sql: string): Promise<T[]> {
  const client = await superuserClient(database, own.server);
  try {
    return (await client.query(sql)).rows as T[];
  } finally {
    await client.end();
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
    const [first = "", ...others] = textOf(kind, line).split("…");
    const found = text.indexOf(first, from);
    if (found < 0) return false;
    const shown = text.slice(found + first.length, text.indexOf("\n", found));
    let at = 0;
    for (const part of others) {
      const next = shown.indexOf(part, at);
      if (next < 0) return false;
      at = next + part.length;
    }
    from = found + first.length;
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
  return [...(sections.get(resource) ?? "").matchAll(/^ {10,}\+ (.*?): "/gm)].map(([, object]) => object ?? "").sort();
}

test("every kind is shown by its merchant and object, declared => found, where it is and nowhere else", async () => {
  await damage([...HEALED, leftOver, ...UNSEEN]);
  const { status, out, err } = await look();
  expect(status, err + out).toBe(7);
  const sections = sectionsOf(out);
  expect([...sections.keys()].sort()).toEqual([...new Set([...HEALED, leftOver].flatMap(resourcesOf))].sort());
  for (const [resource, objects] of objectsOf(HEALED)) expect(found(sections, resource), resource).toEqual(objects);
  const unseen = [...HEALED, leftOver].filter((kind) => !isShown(kind, sections.get(resourceOf(kind)) ?? ""));
  removal = /select cron\.unschedule\(\d+\)/.exec(sections.get(resourceOf(leftOver)) ?? "")?.[0] ?? "";
  expect(unseen.map(({ kind, shows }) => [kind, ...shows])).toEqual([]);
});

test("up --refresh heals all of it, once what was printed has removed the job of a merchant that is gone", async () => {
  await ask("cron", removal);
  const healed = await up("--refresh");
  expect(healed.status, healed.err + healed.out).toBe(0);
  const clean = await look();
  expect(clean.status, clean.err + clean.out).toBe(0);
});

test("all jobs of a cell gone: a refresh does not make it the truth, and up makes them again", async () => {
  // But for the one of UNSEEN, which nobody here makes again.
  const jobs = () =>
    ask(
      "cron",
      `select jobname, username, database, schedule, command, active from cron.job where jobname <> 'zinnia:theirs' order by 1`,
    );
  const before = await jobs();
  await damage([allJobsGone]);
  const refreshed = await project.pulumi("refresh", "--yes", "--skip-preview", "--diff");
  expect(refreshed.status, refreshed.err + refreshed.out).toBe(0);
  const crontabs = Object.keys(MERCHANTS).map((id) => `${id}-crontab`);
  expect([...sectionsOf(refreshed.out).keys()].sort()).toEqual([...crontabs, resourceOf(allJobsGone)].sort());
  expect(isShown(allJobsGone, unaligned(refreshed.out))).toBe(true);
  const made = await up();
  expect(made.status, made.err + made.out).toBe(0);
  expect(await jobs()).toEqual(before);
  const again = await up("--refresh", "--expect-no-changes");
  expect(again.status, again.err + again.out).toBe(0);
});

test("what only a person can make right is refused with the reason, and stays as it is", async () => {
  await damage(refusedKinds);
  for (const kind of refusedKinds) {
    const { access, migrations, crontab } = targetsOf(
      merchantOf(kind.at),
      testCell(own.server),
      path.join(project.folder, "sql"),
    );
    const applies: Readonly<Record<string, () => Promise<unknown>>> = {
      access: () => applyAccess(access),
      migrations: () => applyMigrations(migrations, filesOf(migrations)),
      crontab: () => applyCrontab(crontab),
    };
    const message = expect.stringContaining(textOf(kind, kind.refused)) as string;
    await expect(applies[kind.resource]?.(), kind.kind).rejects.toMatchObject({ name: "ConvergeError", message });
  }
});

test("it is shown all the same, with what is wrong with the cell, which stops up before any merchant", async () => {
  const found = await ask<{ name: string }>("cron", "select name from pg_settings");
  const there = cellProblems.filter(
    ({ setting }) => setting === undefined || found.some(({ name }) => name === setting),
  );
  await damage(there);
  await restartPostmaster(own);
  const { status, out, err } = await look();
  expect(status, err + out).toBe(7);
  const sections = sectionsOf(out);
  const all = [...refusedKinds, ...there];
  expect([...sections.keys()].sort()).toEqual([...new Set(all.flatMap(resourcesOf))].sort());
  const unseen = all.filter((kind) => !isShown(kind, sections.get(resourceOf(kind)) ?? ""));
  expect(unseen.map(({ kind, shows }) => [kind, ...shows])).toEqual([]);
  const refused = await up("--refresh");
  expect(refused.status).not.toBe(0);
  expect(refused.err + refused.out).toContain("cell home is not ready, and nothing of its merchants was changed");
  // Without a refresh nobody asks the probe: no merchant's crontab is changed all the same.
  const [first] = Object.keys(MERCHANTS);
  const changed = { ...MERCHANTS, [first ?? ""]: { jobs: { lot_expiry: { schedule: "5 5 * * *" } } } };
  project.setMerchants(changed);
  const plain = await up();
  expect(plain.status).not.toBe(0);
  expect(plain.err + plain.out).toContain("cell home is not ready, and nothing of its merchants was changed");
  project.setMerchants(MERCHANTS);
  await damage([notLoaded]);
  await restartPostmaster(own);
  const problems = Object.entries(await readProbe(testCell(own.server)));
  expect(problems).toMatchObject([["shared_preload_libraries", expect.stringContaining(notLoaded.refused) as string]]);
});

test("an applied migration file that was edited, removed or renumbered stops every preview by its name", async () => {
  const sql = path.join(project.folder, "sql/merchant");
  for (const { file, change } of FILE_KINDS) {
    if (change === null) rmSync(path.join(sql, file));
    else if ("text" in change) appendFileSync(path.join(sql, file), change.text);
    else renameSync(path.join(sql, file), path.join(sql, change.name));
  }
  const { status, out, err } = await project.pulumi("preview");
  expect(status).not.toBe(0);
  for (const { refused } of FILE_KINDS) expect(out + err).toContain(refused);
});
