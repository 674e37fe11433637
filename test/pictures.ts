// npm run docs:pictures: the pictures of README, made anew under docs/images, and the demo's output in it. The demo runs for real, in a copy of this
// project; the status page and the comment are the real ones, of a made-up fleet.
import { chmodSync, cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { removeServer } from "../local/postgres.ts";
import { parseEngineOutput } from "../report/engine-events.ts";
import { summarize } from "../report/summary/model.ts";
import { renderSummary } from "../report/summary/render.ts";
import { createMetrics } from "../runner/http/metrics.ts";
import { createServer } from "../runner/http/server.ts";
import { steadyNow } from "../runner/steady-clock.ts";
import setUpChromium, { startBrowser } from "./browser/chromium.ts";
import { fleetOf } from "./browser/fleets.ts";
import { commentPage } from "./pictures/comment-page.ts";
import { record, shorten } from "./pictures/record.ts";
import { terminalSvg } from "./pictures/terminal-svg.ts";
import { previewOf } from "./unit/report/preview-events.ts";

const repository = path.join(import.meta.dirname, "..");
const images = path.join(repository, "docs", "images");

await recordDemo();
await takeScreenshots();

async function recordDemo(): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), "merchant-jobs-"));
  try {
    // The server's user, which is not this one where this is root, must be able to go in.
    chmodSync(folder, 0o755);
    for (const part of ["spec", "converge", "components", "local", "runner", "sql", "index.ts", "config.ts"]) {
      cpSync(path.join(repository, part), path.join(folder, part), { recursive: true });
    }
    for (const file of ["package.json", "Pulumi.yaml", "Pulumi.dev.yaml", "Pulumi.runner.yaml"]) {
      cpSync(path.join(repository, file), path.join(folder, file));
    }
    symlinkSync(path.join(repository, "node_modules"), path.join(folder, "node_modules"));
    const lines = shorten(await record(folder, "demo"));
    const command = { text: "$ npm ci && npm run demo", at: 0 };
    writeFileSync(path.join(images, "demo.svg"), terminalSvg("npm run demo, recorded", [command, ...lines]));
    const readme = path.join(repository, "README.md");
    const text = lines.map((line) => line.text).join("\n");
    const block = `<summary>The same as text</summary>\n\n\`\`\`text\n${text.trim()}\n\`\`\`\n`;
    writeFileSync(
      readme,
      readFileSync(readme, "utf8").replace(/<summary>The same as text.*?(?=\n<\/details>)/s, () => block),
    );
  } finally {
    await removeServer(path.join(folder, ".local"));
    rmSync(folder, { recursive: true });
  }
}

async function takeScreenshots(): Promise<void> {
  setUpChromium();
  const now = steadyNow();
  const knowledge = fleetOf(200, now, {
    3: {
      overdueSince: now - 6 * 3_600_000,
      failuresInRow: 4,
      failingSince: now - 6 * 3_600_000,
      lastError: "deadlock detected (40P01)",
    },
    17: { quarantined: 2, quarantinedSince: now - 3_600_000 },
  });
  const listen = { host: "127.0.0.1", port: 0 };
  const server = createServer({ knowledge, metrics: createMetrics(), listen, token: undefined });
  const browser = await startBrowser();
  try {
    const page = await browser.newPage({ viewport: { width: 1000, height: 760 } });
    await page.goto(await server.listen(listen));
    await page.screenshot({ path: path.join(images, "status-page.png") });
    const comment = await browser.newPage({ viewport: { width: 820, height: 300 } });
    await comment.setContent(commentPage(exampleComment()));
    await comment.screenshot({ path: path.join(images, "pull-request.png"), fullPage: true });
  } finally {
    await browser.close();
    await server.close();
  }
}

/** What a pull request is told that moves a job for most of 40 merchants, brings two more and pauses one. */
function exampleComment(): string {
  const plans = Array.from({ length: 40 }, (_, index) => {
    const id = `shop_${String(index + 1).padStart(4, "0")}`;
    if (index < 2) return { id, op: "create" } as const;
    return {
      id,
      crontab: (jobs: Record<string, Record<string, unknown>>, inputs: Record<string, unknown>) => {
        if (index !== 30) jobs["lot_expiry"] = { ...jobs["lot_expiry"], schedule: "0 3 * * *" };
        if (index === 20) inputs["suspended"] = true;
      },
      migrations: ({ migrations }: Record<"migrations" | "routines", Record<string, string>>) => {
        migrations["ledger/migrations/003_add_note.sql"] = "5f2b0c4ad9e1";
      },
    };
  });
  return renderSummary(summarize("prod", parseEngineOutput(previewOf(plans))));
}
