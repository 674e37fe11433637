import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { setTimeout } from "node:timers/promises";

import { describe, expect, test } from "vitest";

import { openCrypter } from "../../local/engine/secrets.ts";
import { openConfig } from "../../local/engine/stack.ts";
import { withKitProject } from "./project.ts";

const TIMEOUT = 600_000;
const up = ["up", "--yes", "--skip-preview"];
const secretive = [{ name: "a", inputs: { key: "a", password: "hush-hush" }, secrets: ["password"] }];

describe.concurrent("the state of a stack", { timeout: TIMEOUT }, () => {
  test("moves to another clone by export and import, secrets encrypted, and means the same there", () =>
    withKitProject((first) =>
      withKitProject(async (second) => {
        first.write("plan.json", secretive);
        await first.run(...up);
        const exported = await first.run("stack", "export");
        expect(exported.out).not.toContain("hush-hush");
        expect(JSON.parse(exported.out)).toMatchObject({
          version: 3,
          deployment: { secrets_providers: { type: "passphrase" } },
        });
        second.write("plan.json", secretive);
        second.write("exported.json", exported.out);
        expect((await second.run("stack", "import", "--file", "exported.json")).status).toBe(0);
        expect((await second.run("preview", "--expect-no-changes")).status).toBe(0);
        const shown = await second.run("stack", "export", "--show-secrets");
        expect(shown.out).toContain('"plaintext": "\\"hush-hush\\""');
      }),
    ));

  test("is not imported with a resource that needs what is not there, but by --force, and then not used (pkg/resource/deploy/snapshot.go, VerifyIntegrity)", () =>
    withKitProject(async (project) => {
      project.write("plan.json", [
        { name: "a", inputs: { key: "a" } },
        { name: "b", inputs: { key: "b" }, dependsOn: ["a"] },
      ]);
      await project.run(...up);
      const whole = JSON.parse((await project.run("stack", "export")).out) as {
        deployment: { resources: { id?: string }[] };
      };
      const resources = whole.deployment.resources.filter((r) => r.id !== "id-a");
      project.write("torn.json", { ...whole, deployment: { ...whole.deployment, resources } });
      const refused = await project.run("stack", "import", "--file", "torn.json");
      expect(refused.status).toBe(1);
      expect(refused.err).toMatch(/::b needs .*::a, which is not there/);
      expect((await project.state()).resources).toHaveLength(4);
      expect((await project.run("stack", "import", "--file", "torn.json", "--force")).status).toBe(0);
      for (const words of [["preview"], up]) {
        const { status, err } = await project.run(...words);
        expect([status, err]).toEqual([1, expect.stringMatching(/::b needs .*::a, which is not in the state/)]);
      }
    }));

  test("may have notes of the CLI in a provider, which are no change (pkg/resource/deploy/providers/registry.go, internalKey)", () =>
    withKitProject(
      async (project) => {
        await project.run(...up);
        const exported = JSON.parse((await project.run("stack", "export")).out) as {
          deployment: { resources: { type: string; inputs: object; outputs: object }[] };
        };
        const provider = exported.deployment.resources.find((r) => r.type === "pulumi:providers:postgresql");
        if (!provider) throw new Error("the program of this kit has a provider");
        provider.inputs = { ...provider.inputs, __internal: {} };
        provider.outputs = { ...provider.outputs, __internal: {} };
        project.write("exported.json", exported);
        expect((await project.run("stack", "import", "--file", "exported.json")).status).toBe(0);
        expect((await project.run("preview", "--expect-no-changes")).status).toBe(0);
      },
      "conformance-postgresql",
      { PGHOST: "127.0.0.1", PGPORT: "1", PGUSER: "nobody", PGPASSWORD: "none" },
    ));

  test("is not lost to an import of what holds no deployment", () =>
    withKitProject(async (project) => {
      project.write("plan.json", secretive);
      await project.run(...up);
      project.write("empty.json", { version: 3 });
      const { status, err } = await project.run("stack", "import", "--file", "empty.json");
      expect([status, err]).toEqual([1, "error: empty.json holds no deployment\n"]);
      expect((await project.state()).resources).toHaveLength(3);
    }));

  test("is imported from standard input, also when it comes in pieces", () =>
    withKitProject(async (project) => {
      project.write("plan.json", secretive);
      await project.run(...up);
      const { out } = await project.run("stack", "export");
      const halves = async function* () {
        yield out.slice(0, out.length / 2);
        // The reader is there long before, and finds nothing for a while.
        await setTimeout(2000);
        yield out.slice(out.length / 2);
      };
      const imported = await project.feed(halves(), "stack", "import");
      expect(imported.status, imported.err).toBe(0);
      expect((await project.run("preview", "--expect-no-changes")).status).toBe(0);
    }));

  test("is where the CLI's file backend keeps it, with the version before beside it and no journal after a run", () =>
    withKitProject(async (project) => {
      project.write("plan.json", secretive);
      project.env["PULUMI_BACKEND_URL"] = `file://${project.folder}/elsewhere`;
      await project.run("stack", "init", "dev");
      await project.run(...up);
      const folder = path.join(project.folder, "elsewhere", ".pulumi");
      expect(readFileSync(path.join(folder, "meta.yaml"), "utf8")).toBe("version: 1\n");
      expect(readdirSync(path.join(folder, "stacks", "conformance")).sort()).toEqual(["dev.json", "dev.json.bak"]);
      const stored = JSON.parse(readFileSync(path.join(folder, "stacks", "conformance", "dev.json"), "utf8")) as object;
      expect(stored).toMatchObject({ version: 3, checkpoint: { stack: "organization/conformance/dev" } });
    }));

  test("cannot be opened with another passphrase, nor is anything done", () =>
    withKitProject(async (project) => {
      project.write("plan.json", secretive);
      await project.run(...up);
      project.env["PULUMI_CONFIG_PASSPHRASE"] = "wrong";
      const { status, err } = await project.run(...up);
      expect(status).toBe(1);
      expect(err).toContain("incorrect passphrase");
    }));

  test("has a key file of its own where no passphrase is given, readable by its owner only", () =>
    withKitProject(async (project) => {
      delete project.env["PULUMI_CONFIG_PASSPHRASE"];
      project.write("plan.json", secretive);
      expect((await project.run(...up)).status).toBe(0);
      const file = path.join(project.folder, ".local", "passphrase");
      expect(existsSync(file)).toBe(true);
      expect(statSync(file).mode & 0o777).toBe(0o600);
      expect((await project.run("preview", "--expect-no-changes")).status).toBe(0);
    }));

  test("opens the secrets of a stack file that somebody else has written, with the same passphrase, beside its own", () =>
    withKitProject(async (project) => {
      project.write("plan.json", secretive);
      expect((await project.run(...up)).status).toBe(0);
      const theirs = await withKitProject(async (other) => {
        await other.run("config", "set", "--secret", "greeting", "a hushed hello");
        return other.read("Pulumi.dev.yaml") ?? "";
      });
      project.write("Pulumi.dev.yaml", theirs);
      project.write("plan.json", [...secretive, { name: "b", inputs: { key: "b" } }]);
      const { status, err } = await project.run(...up);
      expect([status, err]).toEqual([0, ""]);
      const { resources } = await project.state();
      expect(resources.find((r) => r.id === "id-b")?.outputs).toMatchObject({ greeting: "a hushed hello" });
    }));

  test("secret config is encrypted in the stack file and reaches the provider in the clear", () =>
    withKitProject(async (project) => {
      project.write("plan.json", [{ name: "a", inputs: { key: "a" } }]);
      expect((await project.run("config", "set", "--secret", "greeting", "a hushed hello")).status).toBe(0);
      const file = project.read("Pulumi.dev.yaml") ?? "";
      expect(file).toMatch(/encryptionsalt: v1:/);
      expect(file).not.toContain("hushed");
      expect((await project.run("config", "get", "greeting")).out).toBe("a hushed hello\n");
      expect((await project.run(...up)).status).toBe(0);
      const { resources } = await project.state();
      expect(resources.find((r) => r.id === "id-a")?.outputs).toMatchObject({ greeting: "a hushed hello" });
      const provider = resources.find((r) => r.type === "pulumi:providers:pulumi-nodejs");
      expect(JSON.stringify(provider)).not.toContain("hushed");
    }));
});

describe("secrets are closed as the CLI's passphrase provider closes them", () => {
  // A pair of pkg/secrets/passphrase/manager_test.go.
  const salt = "v1:fozI5u6B030=:v1:F+6ZduKKd8G0/V7L:PGMFeIzwobWRKmEAzUdaQHqC5mMRIQ==";

  test("a salt line of the CLI opens with its passphrase and with no other", async () => {
    const crypter = await openCrypter("password", salt);
    expect(crypter.decrypt(crypter.encrypt("größe"))).toBe("größe");
    await expect(openCrypter("password123", salt)).rejects.toMatchObject({ code: "secrets" });
  });

  test("a stack file that has lost its salt is told as that, and no passphrase is blamed", async () => {
    const project = { name: "shop", folder: "/", workingFolder: "/", entry: ".", typescript: true, config: [] };
    const entries = { "shop:token": { secure: "v1:AAAA:AAAA" } };
    const file = { path: "Pulumi.dev.yaml", exists: true, salt: undefined, entries, hasSecrets: true, outside: [] };
    const opened = openConfig({ project, file, configCrypter: () => openCrypter("password", undefined) });
    await expect(opened).rejects.toThrow("Pulumi.dev.yaml holds secrets but no encryptionsalt");
  });

  test("a secret that was changed is refused", async () => {
    const crypter = await openCrypter("password", salt);
    const [version, nonce] = crypter.encrypt("text").split(":");
    expect(() => crypter.decrypt(`${version ?? ""}:${nonce ?? ""}:AAAAAAAAAAAAAAAAAAAAAAAAAAA=`)).toThrow(
      "another passphrase",
    );
  });
});
