import { expect, test } from "vitest";
import { findLeftOvers, isProvider, type ProcessInfo } from "../../../local/recover/processes.ts";

const provider = ["node", "/home/me/shop/node_modules/@pulumi/pulumi/cmd/dynamic-provider/index.js", "127.0.0.1:0"];

test.for([
  [["node", "/home/me/shop/node_modules/@pulumi/pulumi/cmd/run/index.js"], false],
  [["vim", "pulumi-resources.md"], false],
  [["less", "node_modules/@pulumi/pulumi/cmd/dynamic-provider/index.d.ts"], false],
  [["node", "/x/my-pulumi/pulumi/cmd/dynamic-provider-notes/index.js"], false],
  [["postgres", "-D", "/data"], false],
  [[], false],
  [provider, true],
  [["node", "--import", "file:///x/child-start.ts", "/x/@pulumi/pulumi/cmd/dynamic-provider", "127.0.0.1:0"], true],
  [["/home/me/.pulumi/plugins/resource-postgresql-v3.18.1/pulumi-resource-postgresql", "127.0.0.1:4000"], true],
  [["/bin/sh", "/home/me/.pulumi/bin/pulumi-resource-pulumi-nodejs", "127.0.0.1:4000"], true],
] as const)("%j is a provider: %s", ([words, is]) => {
  expect(isProvider(words)).toBe(is);
});

const at = (pid: number, parent: number, words: readonly string[]): ProcessInfo => ({ pid, parent, words });
const here =
  (...pids: number[]) =>
  (one: ProcessInfo) =>
    pids.includes(one.pid);

test.for<[string, readonly ProcessInfo[], readonly number[]]>([
  ["whose CLI is alive is not left over", [at(5, 1, ["/usr/bin/pulumi", "preview"]), at(9, 5, provider)], []],
  [
    "whose CLI is alive above a shell is not left over",
    [at(5, 1, ["pulumi", "up"]), at(8, 5, ["sh", "/bin/pulumi-resource-pulumi-nodejs"]), at(9, 8, provider)],
    [],
  ],
  [
    "whose local engine is alive is not left over",
    [at(5, 1, ["node", "/home/me/shop/local/engine/cli.ts", "up"]), at(9, 5, provider)],
    [],
  ],
  ["in another folder is not ours", [at(7, 1, provider)], []],
  ["that init has taken over is left over", [at(1, 0, ["init"]), at(9, 1, provider)], [9]],
  ["whose parent cannot be seen is left over", [at(9, 77, provider)], [9]],
  [
    "below another that is left over is too",
    [at(8, 1, ["sh", "/bin/pulumi-resource-pulumi-nodejs"]), at(9, 8, provider)],
    [8, 9],
  ],
])("a provider %s", ([, all, pids]) => {
  expect(findLeftOvers(all, here(8, 9)).map(({ pid }) => pid)).toEqual(pids);
});
