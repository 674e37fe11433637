// Each kind of damage to objects by itself: what test/program/drift.test.ts does all at once.
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { isDeepStrictEqual } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readMigrations, applyMigrations } from "../../../converge/migrations.ts";
import type { MerchantSpec } from "../../../spec/merchants.ts";
import { named } from "../../drift/kinds.ts";
import { type ObjectKind, objectKinds } from "../../drift/object-kinds.ts";
import { MORE_OBJECTS } from "../../drift/relation-kinds.ts";
import { filesOf, makeDatabase, prepareCell, specOf, sqlRoot, targetsOf } from "../../merchants.ts";
import { dropMerchantLeftovers, freshName, superuserClient } from "../../server.ts";

const prefix = freshName("obj");
let root: string;

beforeAll(async () => {
  await prepareCell();
  root = mkdtempSync(path.join(tmpdir(), "sql-"));
  cpSync(sqlRoot, root, { recursive: true });
  writeFileSync(path.join(root, "merchant/ledger/migrations/003_create_notes.sql"), MORE_OBJECTS);
});
afterAll(async () => {
  rmSync(root, { recursive: true });
  await dropMerchantLeftovers(`merchant_${prefix}`);
});

/** Damages a database and heals it, one kind after the other; gives what was not as it shall be. */
async function healEach(spec: MerchantSpec, kinds: readonly ObjectKind[]): Promise<readonly object[]> {
  const target = { ...targetsOf(spec).migrations, root };
  const files = filesOf(target);
  await makeDatabase(spec);
  await applyMigrations(target, files);
  const client = await superuserClient(spec.database);
  const wrong: object[] = [];
  try {
    for (const { kind, by, objects } of kinds) {
      await client.query(named(by, spec));
      const seen = await readMigrations(target);
      const shown = Object.entries(seen?.differs ?? {}).map(([object, found]) => `${object}: ${found}`);
      const wanted = Object.entries(objects).map(([object, found]) => named(`${object}: ${found}`, spec));
      const asWanted = shown.length === wanted.length && wanted.every((text, i) => isLike(text, shown[i] ?? ""));
      // A row of the history that was damaged is a difference, and no migration that is due.
      const sameFiles = { ...seen?.migrations, ...seen?.routines };
      const applied = await applyMigrations(target, files).catch((error: unknown) => String(error));
      const again = await applyMigrations(target, files).catch((error: unknown) => String(error));
      const healed = Array.isArray(applied) && applied.length > 0 && Array.isArray(again) && again.length === 0;
      if (!asWanted || !healed || !isDeepStrictEqual(sameFiles, files))
        wrong.push({ kind, shown, wanted, applied, again });
    }
  } finally {
    await client.end();
  }
  return wrong;
}

/** `…` stands for anything. */
function isLike(wanted: string, shown: string): boolean {
  const parts = wanted.split("…");
  const ends = shown.startsWith(parts[0] ?? "") && shown.endsWith(parts.at(-1) ?? "");
  let at = 0;
  const inOrder = parts.every((part) => {
    const found = shown.indexOf(part, at);
    at = found + part.length;
    return found >= 0;
  });
  return parts.length === 1 ? shown === wanted : ends && inOrder;
}

test("each damage is drift by the object's name, declared => found, and is healed; healing twice does nothing", async () => {
  // Two databases at once: two cores are what a build machine has.
  const halves = [0, 1].map((half) => objectKinds.filter((_kind, i) => i % 2 === half));
  const wrong = await Promise.all(halves.map((kinds, i) => healEach(specOf(`${prefix}${i}`), kinds)));
  expect(wrong.flat()).toEqual([]);
});
