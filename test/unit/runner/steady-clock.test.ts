// Three clocks: the steady one, by which we measure; this machine's, which may be set; and the server's, which counts for jobs.
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { answerHealth } from "../../../runner/http/health.ts";
import { createMetrics } from "../../../runner/http/metrics.ts";
import { renderFleet } from "../../../runner/http/page.ts";
import { renderMerchant } from "../../../runner/http/page-merchant.ts";
import { learnClock } from "../../../runner/knowledge.ts";
import { renderStatus } from "../../../runner/status.ts";
import { ServerClock, steadyNow } from "../../../runner/steady-clock.ts";
import { findTroubles } from "../../../runner/trouble.ts";
import { fleetOf } from "../../browser/fleets.ts";

describe("the server's clock", () => {
  test("was set when it moved by more than a second beyond what the answers took", () => {
    const clock = new ServerClock();
    expect(clock.learn(1_000_000, 0, 5)).toBe(false);
    expect(clock.learn(1_060_900, 60_000, 5)).toBe(false);
    expect(clock.learn(1_122_000, 120_000, 5)).toBe(true);
    expect(clock.learn(1_178_000, 180_000, 5)).toBe(true);
  });

  test("was not set when a look took long, nor when the next one did not", () => {
    const clock = new ServerClock();
    expect(clock.learn(1_000_000, 0, 5)).toBe(false);
    // Asked for 6 s, and read at the end of them.
    expect(clock.learn(1_066_000, 63_000, 3_000)).toBe(false);
    expect(clock.learn(1_120_000, 120_000, 5)).toBe(false);
    expect(clock.learn(1_185_000, 180_000, 3_000)).toBe(true);
  });
});

describe("this machine's clock was set by nine hours while the runner ran", () => {
  const HOURS = 9 * 3_600_000;
  const now = steadyNow();
  /** The server's, which was right all the time. */
  const server = now + HOURS;
  const text = (instant: number) => new Date(instant).toISOString();

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["Date"], now: now + HOURS });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  function fleet() {
    // Without a schedule, of which this hour would be one more due time or none.
    const overdue = { schedule: undefined, overdueSince: server - 3_600_000, lastSuccessAt: server - 7_200_000 };
    const knowledge = fleetOf(2, now, { 0: overdue });
    const home = knowledge.cells.get("home")!;
    learnClock(home, { serverTime: server, askedAt: now });
    home.launcherGoneSince = now - 600_000;
    home.launcher = false;
    home.rescuingSince = now - 60_000;
    return knowledge;
  }

  test("what the runner saw is shown by the clock as it is, and ages of the server's times by the server's", () => {
    const found = findTroubles(fleet(), now);
    expect(found.map(({ kind }) => kind)).toEqual(["overdue", "launcher_gone"]);
    const [overdue, launcher] = found;
    expect(overdue?.since).toBe(server - 3_600_000);
    expect(overdue?.age).toBeCloseTo(3_600_000, -2);
    expect(Math.abs(launcher!.since! - (server - 600_000))).toBeLessThan(60_000);
    expect(launcher?.age).toBe(600_000);
  });

  test("health, pages, metrics and the terminal agree", async () => {
    const knowledge = fleet();
    const minute = (instant: number) => text(instant).slice(0, 16);
    const { body } = answerHealth(knowledge, {}, now) as {
      readonly body: {
        readonly cells: readonly { readonly rescuingSince: string; readonly clockSkewSeconds: number }[];
      };
    };
    // Time goes on meanwhile, over the end of a minute too.
    const about = (instant: number) => [minute(instant), minute(instant + 60_000)];
    expect(about(server - 60_000)).toContain(body.cells[0]!.rescuingSince.slice(0, 16));
    expect(Math.abs(body.cells[0]!.clockSkewSeconds)).toBeLessThan(60);
    const page = renderFleet(knowledge, {}, now).html;
    const shownAt = /as known at (\S+) (\S+) GMT/.exec(page)!;
    expect(about(server)).toContain(`${shownAt[1]}T${shownAt[2]}`);
    expect(page).toContain(`${minute(server - 3_600_000).replace("T", " ")} GMT`);
    expect(page).toContain("60 min ago");
    const own = renderMerchant(knowledge, { cell: "home", merchant: "merchant0000" }, now).html;
    expect(own).toContain("2 h ago");
    expect(renderStatus(knowledge, now).text).toContain(
      ", since " + minute(server - 3_600_000).replace("T", " ") + " GMT (60 min)",
    );
    const metrics = await createMetrics().render(knowledge);
    const [, seconds] = /^merchant_jobs_overdue_seconds\{.*merchant0000.*\} (\d+)/m.exec(metrics)!;
    expect(Math.abs(Number(seconds) - 3_600)).toBeLessThan(60);
  });

  test("one look knows of nothing since when it is so", () => {
    const { text: said } = renderStatus({ ...fleet(), isOneLook: true }, now);
    expect(said).toMatch(/the launcher of pg_cron does not run in cell home\n/);
    expect(said).toMatch(/lot_expiry of merchant0000 is overdue, since /);
  });
});
