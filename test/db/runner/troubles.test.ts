// Twelve troubles that are planted on a real server, or are none, and what health, metrics, page and status say of each:
// who, since when, how bad, and nothing else.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { lookOnce, renderStatus } from "../../../runner/status.ts";
import { steadyNow } from "../../../runner/steady-clock.ts";
import { testCell } from "../../merchants.ts";
import { makeProject, type Project } from "../../project.ts";
import { fakedClock } from "../../runner/clock.ts";
import { runnerConfig, startRunner, startTestFleet, type TestFleet } from "../../runner/kit.ts";
import {
  bringLauncherBack,
  endStaleLook,
  holdStale,
  MERCHANTS,
  type Planted,
  plantTroubles,
  setAway,
  stopLauncher,
} from "../../runner/planted.ts";
import { freePort } from "../../runner/port.ts";
import { aboutOf, askAll, expectInTerminal, expectOnly, expectSaid, type Row, type Said } from "../../runner/said.ts";
import { askFleet, askProcess, healthOf, troublesInTerminal, troublesOnPage } from "../../runner/surfaces.ts";
import { waitFor } from "../../server.ts";

const TROUBLES: readonly Row[] = [
  {
    kind: "failing",
    severe: false,
    cell: "home",
    merchant: "failing",
    job: "failing",
    words: "failing of failing failed: the disk is full",
    metric: /^merchant_jobs_failures_in_row\{cell="home",merchant="failing",job="failing"\} 1$/m,
  },
  {
    kind: "overdue",
    severe: true,
    cell: "home",
    merchant: "overdue",
    job: "lot_expiry",
    words: "lot_expiry of overdue is overdue",
    metric: /^merchant_jobs_overdue_seconds\{cell="home",merchant="overdue",job="lot_expiry"\} \d/m,
  },
  { kind: "behind", severe: false, cell: "home", merchant: "behind", job: "slow", words: "slow of behind is behind" },
  {
    kind: "quarantined",
    severe: false,
    cell: "home",
    merchant: "quarantine",
    job: "poisoned",
    words: "poisoned of quarantine has items in quarantine: 1",
    metric: /^merchant_jobs_quarantined_items\{cell="home",merchant="quarantine",job="poisoned"\} 1$/m,
  },
  {
    kind: "abandoned",
    severe: false,
    cell: "home",
    merchant: "abandoned",
    job: "terminated",
    words: "terminated of abandoned was abandoned in the middle",
  },
  {
    kind: "away",
    severe: true,
    cell: "gone",
    words: "cell gone cannot be looked at",
    metric: /^merchant_jobs_severe_troubles\{cell="gone"\} 1$/m,
  },
  {
    kind: "away",
    severe: true,
    cell: "home",
    merchant: "away",
    words: "the database of away cannot be looked at",
    metric: /^merchant_jobs_merchant_age_seconds\{cell="home",merchant="away"\} [1-9]\d/m,
  },
  {
    kind: "unseen",
    severe: true,
    cell: "home",
    merchant: "stale",
    words: "stale has not been visited for too long",
    // It looks now: what does not answer cannot be looked at.
    inTerminal: "the database of stale cannot be looked at",
    metric: /^merchant_jobs_merchant_age_seconds\{cell="home",merchant="stale"\} [1-9]\d/m,
  },
];
/** What is the matter with these is no trouble. */
const NONE = ["well", "suspended", "disabled"];

const OF_JOBS = TROUBLES.filter(({ job }) => job !== undefined);
const LAUNCHER: Row = {
  kind: "launcher_gone",
  severe: false,
  cell: "home",
  words: "the launcher of pg_cron does not run in cell home",
  metric: /^merchant_jobs_launcher_up\{cell="home"\} 0$/m,
};
const SKEW: Row = {
  kind: "clock_skew",
  severe: false,
  cell: "home",
  words: "the clock of cell home differs from the one here: it is 7200 s ahead",
  metric: /^merchant_jobs_clock_skew_seconds\{cell="home"\} (?:7200|7199\.\d+|7200\.\d+)$/m,
};

/** A machine that is busy keeps a runner from looking for some seconds, which is no trouble of theirs. */
const UNHURRIED = { cellEverySeconds: 4, merchantEverySeconds: 5 };
const PATIENCE = 60_000;

const repository = path.join(import.meta.dirname, "..", "..", "..");
let planted: Planted;
let fleet: TestFleet;
let said: Said;
let release: () => Promise<void>;
/** What a terminal says. */
let terminal: Promise<{ readonly text: string; readonly failed: boolean }>;

beforeAll(async () => {
  planted = await plantTroubles();
  const config = runnerConfig(planted.own.server, { rescue: false, ...UNHURRIED });
  const gone = runnerConfig({ host: "127.0.0.1", port: await freePort() }).cells["home"]!;
  fleet = startTestFleet({ ...config, cells: { ...config.cells, gone } });
  const home = fleet.knowledge.cells.get("home")!;
  const seen = () => [...home.merchants.values()].filter(({ seenAt }) => seenAt !== undefined).length;
  await waitFor(() => seen() === MERCHANTS.length, { what: "every merchant was visited" });
  release = await holdStale(planted);
  await setAway(planted, true);
  const here = testCell(planted.own.server);
  const cells = [here, { ...here, cell: "gone", port: gone.port }];
  terminal = lookOnce(cells).then((knowledge) => renderStatus(knowledge, steadyNow()));
  await endStaleLook(planted);
  const ask = askFleet(fleet.knowledge);
  const severe = TROUBLES.filter((row) => row.severe).length;
  // On a machine that is busy others are not seen for too long either, for a moment.
  await waitFor(
    async () => {
      const { troubles } = await healthOf(ask);
      return troubles.length === TROUBLES.length && troubles.filter((one) => one.severe).length === severe;
    },
    { what: "what lasts is severe, and nothing else is told", timeoutMs: PATIENCE },
  );
  said = await askAll(ask, MERCHANTS);
});
afterAll(async () => {
  await fleet.stop();
  await planted.remove();
});

describe("all of them", () => {
  test("are named by /health, the metrics and the page, and nothing else is", () => {
    expectOnly(TROUBLES, said);
    expect(said.health.status).toBe("failed");
    expect(said.metrics).toMatch(/^merchant_jobs_severe_troubles\{cell="home"\} 3$/m);
    expect(said.page.body).toMatch(
      /<h1 class="failed">\s*lot_expiry of overdue is overdue, since .* and 7 more troubles\./,
    );
  });

  test("are printed by status, and nothing else is", async () => {
    const { text, failed } = await terminal;
    expect(failed).toBe(true);
    expect(troublesInTerminal(text), text).toHaveLength(TROUBLES.length);
    expect(text.split("\n")[0]).toMatch(/^lot_expiry of overdue is overdue, since .*; and 7 more troubles\.$/);
    expect(text).toContain("in merchant_overdue: call app.run_job('lot_expiry')");
  });
});

/** lot_expiry is due at 02:00, and was not done on three days. */
function firstTwo(): string {
  const from = Date.now() - 3 * 86_400_000;
  const two = new Date(from);
  two.setUTCHours(2, 0, 0, 0);
  if (two.getTime() <= from) two.setUTCDate(two.getUTCDate() + 1);
  return two.toISOString();
}

test.for(TROUBLES)("$kind of $cell $merchant: who, since when and how bad, on every surface", async (row) => {
  expectSaid(row, said, row.kind === "overdue" ? firstTwo() : undefined);
  if (row.merchant !== undefined) {
    const { health, page } = said.merchants.get(row.merchant)!;
    expect([health.code, page]).toEqual(row.severe ? [503, 503] : [200, 200]);
    expect(health.troubles.map(aboutOf)).toEqual([aboutOf(row)]);
  }
  expectInTerminal(row, (await terminal).text);
});

test.for(NONE)("%s is no trouble on any surface", async (merchant) => {
  const { health, page } = said.merchants.get(merchant)!;
  expect([health.code, health.status, health.troubles, page]).toEqual([200, "ok", [], 200]);
  expect(said.health.troubles.filter((one) => one.merchant === merchant)).toEqual([]);
  expect(said.metrics).toContain(`merchant="${merchant}"`);
  expect(said.metrics).not.toMatch(
    new RegExp(`^merchant_jobs_(?:overdue|failures|quar)[^}]*merchant="${merchant}"`, "m"),
  );
  expect(troublesOnPage(said.page.body).filter((line) => line.includes(merchant))).toEqual([]);
  expect(troublesInTerminal((await terminal).text).filter((line) => line.includes(merchant))).toEqual([]);
});

test("what the alert rules ask for is among the metrics of a fleet in trouble", () => {
  const rules = readFileSync(path.join(repository, "runner", "alerts.yaml"), "utf8");
  const names = new Set([...rules.matchAll(/\bmerchant_jobs_\w+/g)].map(([name]) => name));
  expect([...names].filter((name) => !new RegExp(`^${name}\\{`, "m").test(said.metrics))).toEqual([]);
});

test("a merchant's own page says its own, and what is not there is not found", async () => {
  const ask = askFleet(fleet.knowledge);
  const { body } = await ask("/?merchant=failing");
  expect(body).toContain("the disk is full");
  expect(body).not.toContain("quarantine");
  expect((await ask("/?merchant=well")).body).toContain("Every job of well ran on time.");
  expect((await ask("/?merchant=suspended")).body).toContain("is suspended: its jobs rest");
  for (const url of ["/?merchant=nobody", "/health?merchant=nobody", "/health?cell=nowhere"]) {
    expect((await ask(url)).code, url).toBe(404);
  }
});

/** `npm run status -- --stack test`. */
async function runStatus(project: Project, env: NodeJS.ProcessEnv = {}) {
  const program = path.join(repository, "local", "status.ts");
  const child = spawn(process.execPath, [program, "--stack", "test"], {
    cwd: project.folder,
    env: { ...project.env, ...env },
  });
  const output = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output.stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (output.stderr += text));
  const [status] = (await once(child, "close")) as [number];
  return { status, ...output };
}

describe("when it is over", () => {
  beforeAll(async () => {
    await terminal;
    await release();
    await setAway(planted, false);
  });

  test("what could not be reached is seen again", async () => {
    const ask = askFleet(fleet.knowledge);
    for (const merchant of ["away", "stale"]) {
      await waitFor(async () => (await healthOf(ask, `?merchant=${merchant}`)).status === "ok", {
        what: `${merchant} is back`,
        timeoutMs: 60_000,
      });
    }
  });

  test("clocks that differ are a trouble of the cell, since nobody knows when, on every surface", async () => {
    const clock = fakedClock(planted.own.folder);
    clock.set("-2h");
    const runner = startRunner(runnerConfig(planted.own.server, { rescue: false, ...UNHURRIED }), { env: clock.env });
    const project = await makeProject({ merchants: {}, server: planted.own.server });
    try {
      const ask = askProcess(await runner.url());
      let seen: readonly string[] = [];
      const all = async () => (seen = (await healthOf(ask)).troubles.map(aboutOf)).length > OF_JOBS.length;
      await waitFor(all, { what: "it has seen all", timeoutMs: PATIENCE }).catch((cause: unknown) => {
        throw new Error(`it has seen ${seen.join(", ")} only:\n${runner.output()}`, { cause });
      });
      const shown = await askAll(ask, ["well"]);
      expectOnly([...OF_JOBS, SKEW], shown);
      expectSaid(SKEW, shown, null);
      const { health } = shown.merchants.get("well")!;
      expect([health.code, health.troubles.map(aboutOf)]).toEqual([200, [aboutOf(SKEW)]]);
      const { status, stdout, stderr } = await runStatus(project, clock.env);
      expect([status, stderr]).toEqual([1, ""]);
      expect(troublesInTerminal(stdout), stdout).toHaveLength(OF_JOBS.length + 1);
      expectInTerminal(SKEW, stdout);
    } finally {
      runner.child.kill("SIGKILL");
      await runner.ended;
      project.remove();
    }
  });

  test("a launcher that is gone is a trouble of the cell, on every surface, its merchants are rescued, and that ends", async () => {
    const rescuer = startTestFleet(runnerConfig(planted.own.server));
    const ask = askFleet(rescuer.knowledge);
    try {
      const overdue = planted.databases.get("overdue")!;
      await waitFor(async () => (await overdue.runs()).some(({ scheduler }) => scheduler === "runner"), {
        what: "what is overdue was done by the runner",
      });
      await stopLauncher(planted);
      const kinds = async () => (await healthOf(ask)).troubles.map(({ kind }) => kind);
      await waitFor(async () => (await kinds()).includes("launcher_gone") && !(await kinds()).includes("overdue"), {
        what: "the launcher is gone, and nothing is overdue",
      });
      const rows = [...OF_JOBS.filter(({ kind }) => kind !== "overdue"), LAUNCHER];
      const shown = await askAll(ask, ["well"]);
      expectOnly(rows, shown);
      expectSaid(LAUNCHER, shown);
      const looked = renderStatus(await lookOnce([testCell(planted.own.server)]), steadyNow());
      expect(troublesInTerminal(looked.text), looked.text).toHaveLength(rows.length);
      expectInTerminal(LAUNCHER, looked.text);
      expect(looked.failed).toBe(false);
      const well = planted.databases.get("well")!;
      await well.rows("update app.jobs set due_from = now() - interval '3 days' where name = 'lot_expiry'");
      await waitFor(async () => (await well.runs()).some(({ status }) => status === "succeeded"), {
        what: "a merchant of it is rescued",
      });
      await bringLauncherBack(planted);
      await waitFor(async () => !(await kinds()).includes("launcher_gone"), { what: "the launcher is back" });
      await waitFor(async () => !(await kinds()).includes("overdue"), { what: "nothing is overdue" });
      expect(rescuer.knowledge.cells.get("home")?.launcherGoneSince).toBeUndefined();
    } finally {
      await rescuer.stop();
    }
  });
});
