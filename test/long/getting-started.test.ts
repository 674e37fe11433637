// What README, docs/getting-started.md and docs/runner.md tell a reader to type is typed, as it stands there, on servers that
// have nothing of this project.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { removeServer } from "../../local/postgres.ts";
import { startBareServer } from "../docs/bare-server.ts";
import { allBlocksOf, textOf } from "../docs.ts";
import { cloneFor, type Done } from "../docs/reader.ts";
import { connectAs } from "../server.ts";

const parent = mkdtempSync(path.join(tmpdir(), "readers "));
afterAll(() => {
  rmSync(parent, { recursive: true, force: true });
});

const PASSWORD = "typed by a reader";

test("getting-started.md: a server of your own, from nothing to a merchant, its drift and its application", async () => {
  const page = allBlocksOf("docs/getting-started.md");
  const conf = page.find(({ mark }) => mark === "postgresql.conf");
  const stack = page.find(({ mark }) => mark === "Pulumi.first.yaml");
  const server = await startBareServer(conf?.text ?? "");
  const reader = cloneFor(path.join(parent, "own server"), [server.binFolder]);
  try {
    // The one thing that is not as on the page: the port.
    const file = (stack?.text ?? "").replace("host: 127.0.0.1,", `host: 127.0.0.1, port: ${server.port},`);
    expect(file).toContain(`port: ${server.port}`);
    writeFileSync(path.join(reader.folder, "Pulumi.first.yaml"), file);
    const done: Done[] = [];
    for (const { mark, text } of page.filter(({ language, mark }) => language === "sh" && mark !== "aws")) {
      const asks = (text.match(/\\password/g) ?? []).length * 2 + (mark === "password" ? 1 : 0);
      const env = mark === "superuser" ? server.env : {};
      const typed = Array.from({ length: asks }, () => PASSWORD);
      const block = await reader.type(text, { env, typed });
      expect(block, `${text}\n${block.out}`).toMatchObject({ status: mark === "finds-drift" ? 2 : 0 });
      done.push(block);
    }
    const said = done.map(({ out }) => out).join("\n");
    expect(said).toMatch(/lot_expiry .*\| succeeded/);
    expect(said).toMatch(/acme:lot_expiry +\| 0 2 \* \* \* +\| CALL app\.expire_lots\(\) +\| t/);
    expect(said).toContain("All 4 jobs of 1 merchant ran on time.");
    expect(said).toMatch(/"0 2 \* \* \*".*"5 3 \* \* \*"|5 3 \* \* \*/);
    expect(said).not.toContain(PASSWORD);
    const at = { host: "127.0.0.1", port: server.port } as const;
    await (await connectAs({ user: "merchant_acme_app", password: PASSWORD }, "merchant_acme", at)).end();
  } finally {
    reader.leave();
    await server.remove();
  }
});

test("runner.md: a server without pg_cron is made ready", async () => {
  const server = await startBareServer("");
  const reader = cloneFor(path.join(parent, "no pg_cron"), [server.binFolder]);
  try {
    const blocks = allBlocksOf("docs/runner.md").filter(({ mark }) => mark === "superuser");
    expect(blocks).toHaveLength(1);
    const { status, out } = await reader.type(blocks[0]?.text ?? "", {
      env: server.env,
      typed: Array.from({ length: 4 }, () => PASSWORD),
    });
    expect(status, out).toBe(0);
    for (const user of ["platform_admin", "merchant_jobs_runner"]) {
      await (await connectAs({ user, password: PASSWORD }, "cron", { host: "127.0.0.1", port: server.port })).end();
    }
  } finally {
    reader.leave();
    await server.remove();
  }
});

test("README: the demo prints what is shown there, in two clones side by side, and again without a network", async () => {
  const readers = ["one clone", "another clone"].map((name) => cloneFor(path.join(parent, name)));
  try {
    const demos = await Promise.all(readers.map((reader) => reader.type("npm run demo")));
    const shown = allBlocksOf("README.md").find(({ language }) => language === "text");
    const lines = (shown?.text ?? "")
      .split("\n")
      .filter((line) => !/^ *…?$/.test(line) && !line.includes(" in ~/merchant-jobs"));
    expect(lines.length).toBeGreaterThan(20);
    for (const { status, out } of demos) {
      expect(status, out).toBe(0);
      for (const line of lines) expect(anyFigures(out)).toContain(anyFigures(line));
    }
    const nowhere = "http://127.0.0.1:9/";
    const offline = { npm_config_registry: nowhere, http_proxy: nowhere, https_proxy: nowhere };
    const again = await readers[0]!.type("npm run demo", { env: offline });
    expect(again.status, again.out).toBe(0);
    expect(again.out).toMatch(/^ +\d+ unchanged$/m);
  } finally {
    for (const reader of readers) {
      await removeServer(path.join(reader.folder, ".local"));
      reader.leave();
    }
  }
});

test("README: the picture of the demo has the lines of the text", () => {
  const svg = textOf("docs/images/demo.svg").replaceAll("&lt;", "<").replaceAll("&quot;", '"').replaceAll("&amp;", "&");
  const shown = allBlocksOf("README.md").find(({ language }) => language === "text");
  for (const line of shown?.text.trim().split("\n") ?? []) expect(svg).toContain(`>${line}</text>`);
});

/** Times, ports, versions and durations differ, and with them the width of columns. */
function anyFigures(text: string): string {
  return text
    .replaceAll(/\d+(?:\.\d+)*/g, "0")
    .replaceAll(/--+/g, "--")
    .replaceAll(/ +/g, " ");
}
