// The status page in a real browser: what it says, how it is used, and that everybody can.
import { mkdirSync } from "node:fs";
import path from "node:path";
import axe from "axe-core";
import type { FastifyInstance } from "fastify";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createMetrics } from "../../runner/http/metrics.ts";
import { createServer } from "../../runner/http/server.ts";
import type { Knowledge } from "../../runner/knowledge.ts";
import { steadyNow } from "../../runner/steady-clock.ts";
import { startBrowser } from "./chromium.ts";
import { fleetOf, type Planted } from "./fleets.ts";

/** With SCREENSHOTS set to a folder, each page that is looked at is kept there as a picture. */
const pictures = process.env["SCREENSHOTS"];
const now = steadyNow();
const PLANTED: Planted = {
  3: {
    overdueSince: now - 22 * 3_600_000,
    failuresInRow: 4,
    failingSince: now - 21 * 3_600_000,
    lastError: "deadlock",
  },
  17: { quarantined: 2, quarantinedSince: now - 3_600_000 },
  40: { failuresInRow: 1, failingSince: now - 600_000, lastError: "<b>the disk</b> is full & 'closed'" },
};
/** Each width in one of the two colour schemes: the layout does not depend on it. */
const LOOKS = [
  ["light", 1200],
  ["dark", 400],
] as const;
let browser: Browser;
const servers: FastifyInstance[] = [];

beforeAll(async () => {
  browser = await startBrowser();
});
afterAll(async () => {
  await browser.close();
  await Promise.all(servers.map((server) => server.close()));
});

async function serve(knowledge: Knowledge): Promise<string> {
  const server = createServer({
    // What is known stays as it is: no page is about its age, and a browser may take its time.
    knowledge: { ...knowledge, tooOld: { cell: Infinity, merchant: Infinity } },
    metrics: createMetrics(),
    listen: { host: "127.0.0.1", port: 0 },
    token: undefined,
  });
  servers.push(server);
  return await server.listen({ host: "127.0.0.1", port: 0 });
}

interface Look {
  readonly scheme?: "light" | "dark";
  readonly width?: number;
  readonly javaScript?: boolean;
}

/** What the browser found wrong with the pages. */
const complaints: string[] = [];

/** Opens a page. */
async function open(url: string, { scheme = "light", width = 1200, javaScript = true }: Look = {}): Promise<Page> {
  const context = await browser.newContext({
    colorScheme: scheme,
    viewport: { width, height: 900 },
    javaScriptEnabled: javaScript,
    bypassCSP: true,
  });
  const page = await context.newPage();
  page.on("console", (message) => {
    // A page has the status code of what it says.
    if (message.type() === "error" && !/status of (?:503|404)/.test(message.text())) complaints.push(message.text());
    if (message.location().url !== page.url() && message.type() === "error") complaints.push(message.location().url);
  });
  await page.goto(url);
  return page;
}

async function keep(page: Page, name: string): Promise<void> {
  if (pictures === undefined) return;
  mkdirSync(pictures, { recursive: true });
  await page.screenshot({ path: path.join(pictures, `${name}.png`), fullPage: true });
}

async function violations(page: Page): Promise<readonly string[]> {
  await page.evaluate(axe.source);
  const found = await page.evaluate<axe.AxeResults>("axe.run({ exclude: ['.strip rect'] })");
  return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join("; ")}`);
}

describe.each([
  [1, {}, "All 4 jobs of 1 merchant ran on time."],
  [50, PLANTED, "lot_expiry of merchant0003 is overdue"],
  [1000, PLANTED, "lot_expiry of merchant0003 is overdue"],
] as const)("with %i merchants", (howMany, planted: Planted, answer) => {
  let url: string;
  beforeAll(async () => {
    url = await serve(fleetOf(howMany, now, planted));
  });

  test("says the answer first, and can be used by everybody, in a wide window and a narrow one", async () => {
    for (const [scheme, width] of LOOKS) {
      const page = await open(url, { scheme, width });
      expect(await page.locator("h1").innerText()).toContain(answer);
      expect(await page.locator(".strip rect").count()).toBe(howMany);
      // Of a thousand the page has no other parts than of fifty, only more of them.
      if (howMany < 1000 || scheme === "light") expect(await violations(page)).toEqual([]);
      // Only tables may be wider than a narrow window, each in a frame of its own.
      expect(await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")).toBe(true);
      await keep(page, `fleet-${howMany}-${scheme}-${width}`);
      await page.context().close();
    }
  });
});

test("a merchant's own page shows its jobs, their next times and 30 days of each", async () => {
  const url = await serve(fleetOf(50, now, PLANTED));
  for (const [scheme, width] of LOOKS) {
    const page = await open(`${url}/?merchant=merchant0003`, { scheme, width });
    expect(await page.locator(".card").count()).toBe(4);
    expect(await page.locator(".chart rect").count()).toBe(120);
    expect(await page.locator(".card", { hasText: "lot_expiry" }).innerText()).toMatch(
      /02:00 GMT, .* 02:00 GMT, .* 02:00 GMT/,
    );
    expect(await violations(page)).toEqual([]);
    expect(await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")).toBe(true);
    await keep(page, `merchant-${scheme}-${width}`);
    await page.context().close();
  }
});

test("a merchant's own page says who starts its jobs, and shows what pg_cron has where that does", async () => {
  const url = await serve(fleetOf(50, now));
  const page = await open(`${url}/?merchant=merchant0002`);
  expect(await page.locator("dl").first().innerText()).toMatch(/Started by\s+pg_cron/);
  const lines = page.locator('[aria-label="Crontab of pg_cron"] tbody tr');
  expect(await lines.count()).toBe(5);
  expect(await lines.last().innerText()).toMatch(/report\s+0 1 \* \* \*\s+somebody else's\s+yes/);
  expect(await violations(page)).toEqual([]);
  await keep(page, "merchant-crontab");
  await page.goto(`${url}/?merchant=merchant0003`);
  expect(await page.locator("dl").first().innerText()).toMatch(/Started by\s+the runner/);
  expect(await lines.count()).toBe(0);
  await page.context().close();
});

describe("the table", () => {
  let url: string;
  beforeAll(async () => {
    url = await serve(fleetOf(1000, now, PLANTED));
  });
  const names = (page: Page) => page.locator('[aria-label="Merchants"] tbody th').allInnerTexts();

  test("is sorted and filtered without JavaScript, by the keyboard alone", async () => {
    const page = await open(url, { javaScript: false });
    expect((await names(page)).slice(0, 3).toSorted()).toEqual(["merchant0003", "merchant0017", "merchant0040"]);
    expect(await names(page)).toHaveLength(100);
    await page.getByRole("link", { name: "Merchant", exact: true }).press("Enter");
    await page.waitForURL(/sort=merchant/);
    expect((await names(page)).slice(0, 2)).toEqual(["merchant0000", "merchant0001"]);
    expect(await page.locator('th[aria-sort="ascending"]').innerText()).toBe("Merchant");
    await page.getByRole("link", { name: "Page 2" }).press("Enter");
    await page.waitForURL(/page=2/);
    expect((await names(page))[0]).toBe("merchant0100");
    await page.getByLabel("Merchant", { exact: true }).fill("004");
    await page.keyboard.press("Enter");
    await page.waitForURL(/q=004/);
    expect(await names(page)).toHaveLength(11);
    await page.getByLabel("Show").selectOption("trouble");
    await page.getByRole("button", { name: "Filter" }).press("Enter");
    await page.waitForURL(/show=trouble/);
    expect(await names(page)).toEqual(["merchant0040"]);
    await page.getByRole("link", { name: "merchant0040", exact: true }).press("Enter");
    await page.waitForURL(/merchant=merchant0040/);
    expect(await page.locator("h1").innerText()).toContain("<b>the disk</b> is full & 'closed'");
    await page.context().close();
  });

  test("what comes from outside is text, wherever it comes from", async () => {
    const page = await open(
      `${url}/?q=${encodeURIComponent('"><script>document.title="no"</script>')}&sort=__proto__&page=x`,
    );
    expect(await page.title()).toBe("Did every job run?");
    expect(await names(page)).toEqual([]);
    await page.context().close();
    const nobody = await open(`${url}/?merchant=${encodeURIComponent("<img src=x>")}`);
    expect(await nobody.locator("h1").innerText()).toContain("no merchant <img src=x>");
    expect(await nobody.locator("img").count()).toBe(0);
    await nobody.context().close();
  });

  test("the browser had nothing to complain about", () => {
    expect(complaints).toEqual([]);
  });
});
