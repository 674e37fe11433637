import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadLate } from "../../local/engine/late-module.ts";

const HEAVY = "./heavy.cjs";

describe("a module that is loaded late", () => {
  const global = globalThis as { timesLoaded?: number };
  let folder: string;
  let require: NodeJS.Require;

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), "late "));
    writeFileSync(
      path.join(folder, HEAVY),
      "globalThis.timesLoaded += 1; module.exports = class Heavy {}; module.exports.Tree = class Tree {};",
    );
    global.timesLoaded = 0;
    require = createRequire(path.join(folder, "program.cjs"));
    loadLate(require, HEAVY);
  });
  afterEach(() => {
    delete global.timesLoaded;
    rmSync(folder, { recursive: true });
  });

  it("is not loaded by who only requires it, as a compiled import does", () => {
    const found = require(HEAVY) as { __esModule: boolean };
    expect(found.__esModule).toBe(true);
    expect(global.timesLoaded).toBe(0);
  });

  it("is loaded once, by who uses it first", () => {
    const found = require(HEAVY) as { Tree: new () => object };
    expect(new found.Tree().constructor.name).toBe("Tree");
    expect("Tree" in found).toBe(true);
    expect("Bush" in found).toBe(false);
    expect(global.timesLoaded).toBe(1);
    expect((require(HEAVY) as typeof found).Tree).toBe(found.Tree);
    expect(global.timesLoaded).toBe(1);
  });
});
