// What npm says to somebody who has just cloned this: nothing that alarms, and what to do.
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { textOf } from "../../docs.ts";

interface Package {
  readonly deprecated?: string;
  readonly hasInstallScript?: boolean;
  readonly engines?: { readonly node?: string };
}

const { packages } = JSON.parse(textOf("package-lock.json")) as {
  readonly packages: Readonly<Record<string, Package>>;
};
const { allowScripts, dependencies, scripts } = JSON.parse(textOf("package.json")) as {
  readonly allowScripts: Readonly<Record<string, boolean>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly scripts: Readonly<Record<string, string>>;
};
const all = Object.entries(packages).filter(([name]) => name !== "");

test("no package is deprecated", () => {
  expect(all.filter(([, { deprecated }]) => deprecated !== undefined)).toEqual([]);
});

test("each package with an install script is allowed or refused to run it", () => {
  const withScript = all.filter(([, { hasInstallScript }]) => hasInstallScript === true);
  expect(withScript.map(([name]) => name.split("node_modules/").at(-1))).toEqual(Object.keys(allowScripts));
});

test.each(["22.13.0", "24.0.0"])(
  "with Node.js %s, which README tells to begin with, no package wants another",
  (version) => {
    const wanting = all.filter(([, { engines }]) => !allows(engines?.node ?? "*", version));
    expect(wanting.map(([name, { engines }]) => `${name}: ${engines?.node ?? ""}`)).toEqual([]);
    expect(textOf("README.md")).toContain("Node.js 22.13 or 24");
  },
);

test("without its packages each script that people call says to run `npm ci`, and so with some of them", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "merchant jobs "));
  onTestFinished(() => {
    rmSync(folder, { recursive: true });
  });
  for (const file of ["package.json", "local/installed.js"])
    cpSync(path.join(import.meta.dirname, "../../..", file), path.join(folder, file));
  const called = Object.entries(scripts).filter(([, line]) => /^node .*\b(local|report|runner)\//.test(line));
  expect(called.map(([name]) => name).toSorted()).toEqual([
    "demo",
    "drift",
    "pr-summary",
    "pretest",
    "pulumi",
    "recover",
    "runner",
    "server",
    "status",
  ]);
  for (const [name, line] of called) expect(line, name).toContain("local/installed.js");
  const said = () => spawnSync(process.execPath, ["local/installed.js"], { cwd: folder, encoding: "utf8" });
  expect(said()).toMatchObject({ status: 1, stderr: expect.stringContaining("run `npm ci` first") as string });
  for (const name of Object.keys(dependencies).filter((one) => one !== "yaml"))
    mkdirSync(path.join(folder, "node_modules", name), { recursive: true });
  expect(said().stderr).toContain("not installed (yaml): run `npm ci` first");
  mkdirSync(path.join(folder, "node_modules", "yaml"));
  expect(said()).toMatchObject({ status: 0, stderr: "" });
});

test("a range allows what it says", () => {
  const cases = [
    "^20.19.0 || ^22.13.0 || >=24",
    ">=9.3.0 || >=8.10.0 <9.0.0",
    "6.* || >= 10.x",
    "^8",
    "<8.10",
    "8.9.3",
    "*",
  ];
  const allowed = (version: string) => cases.filter((range) => allows(range, version));
  expect(allowed("22.12.9")).toEqual([">=9.3.0 || >=8.10.0 <9.0.0", "6.* || >= 10.x", "*"]);
  expect(allowed("22.13.0")).toEqual([cases[0], ">=9.3.0 || >=8.10.0 <9.0.0", "6.* || >= 10.x", "*"]);
  expect(allowed("8.9.3")).toEqual(["^8", "<8.10", "8.9.3", "*"]);
  expect(allowed("6.1.0")).toEqual(["6.* || >= 10.x", "<8.10", "*"]);
});

/** Whether a version is in a range as packages write it: of `||`, `^`, `>=`, `<` and a version that may end in `.x` or early. */
function allows(range: string, version: string): boolean {
  return range.split("||").some((part) =>
    [...part.matchAll(/(\^|>=|<)?\s*(\*|[\d.x*]+)/g)].every(([, sign, written = "*"]) => {
      const parts = written.split(".").filter((figure) => /^\d+$/.test(figure));
      const order = compare(parts, version.split("."));
      if (sign === ">=") return order <= 0;
      if (sign === "<") return order > 0;
      const same = sign === "^" ? parts.slice(0, 1) : parts;
      return order <= 0 && same.every((figure, index) => figure === version.split(".")[index]);
    }),
  );
}

function compare(one: readonly string[], other: readonly string[]): number {
  const difference = [0, 1, 2].map((index) => Number(one[index] ?? 0) - Number(other[index] ?? 0));
  return difference.find((value) => value !== 0) ?? 0;
}
