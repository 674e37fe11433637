import { execFileSync } from "node:child_process";
import path from "node:path";
import { beforeAll, expect, test } from "vitest";
import type { ProviderModule } from "../../../components/stub.ts";

/** Every one that there is. */
const MODULES: Readonly<Record<ProviderModule, true>> = {
  access: true,
  crontab: true,
  gate: true,
  migrations: true,
  offboard: true,
  probe: true,
  readiness: true,
  roster: true,
};
const modules = Object.keys(MODULES) as ProviderModule[];
const project = path.join(import.meta.dirname, "..", "..", "..");
let texts: Readonly<Record<ProviderModule, string>>;

beforeAll(() => {
  // In a process of its own: what the test runner makes of an import cannot be serialised.
  const program = `
    import { runtime } from "@pulumi/pulumi";
    import { providerStub } from "./components/stub.ts";
    const texts = {};
    for (const module of ${JSON.stringify(modules)}) {
      const stub = providerStub(module);
      texts[module] = (await runtime.serializeFunction(() => stub)).text;
    }
    console.log(JSON.stringify(texts));`;
  const out = execFileSync(process.execPath, ["--input-type=module", "-e", program], {
    cwd: project,
    encoding: "utf8",
  });
  texts = JSON.parse(out) as typeof texts;
});

test.each(modules)(
  "the text of provider %s that is stored in the state is small and holds nothing of the process",
  (module) => {
    expect(Buffer.byteLength(texts[module])).toBeLessThanOrEqual(1536);
    expect(texts[module]).not.toContain(project);
    expect(texts[module]).not.toContain("require(");
  },
);

test("the stored texts of two modules differ by the module's name only", () => {
  expect(texts.access.replaceAll("access", "*")).toBe(texts.roster.replaceAll("roster", "*"));
});
