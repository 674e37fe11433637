import { expect } from "vitest";
import type { RunnerConfig } from "../../runner/config.ts";
import type { Copies } from "./copies.ts";
import { PASSWORD, startRunner } from "./kit.ts";

/** What is done to one of three runners, or to what is below them. */
export type Blow = (copies: Copies) => Promise<void>;

/** Lots that come to each merchant after a kill: a run has several batches then. */
const LOTS = 5;

/** How long, and how. */
export interface Kills {
  readonly seconds: number;
  readonly config: RunnerConfig;
  /** From 0 to below 1: who is killed, and when. */
  readonly random: () => number;
  /** In place of some kills, one of these. */
  readonly others?: readonly Blow[];
}

/**
 * Three runners, of which one is killed every one to three seconds and started again, while lots keep coming. Gives how
 * often, and how many lots each merchant got. At the end the three run.
 */
export async function underKills(
  copies: Copies,
  { seconds, config, random, others = [] }: Kills,
  atEnd: () => Promise<void>,
): Promise<{ readonly kills: number; readonly lots: number }> {
  const runners = [0, 1, 2].map(() => startRunner(config));
  const said: string[] = [];
  let kills = 0;
  let lots = 0;
  try {
    const end = performance.now() + seconds * 1000;
    while (performance.now() < end) {
      await new Promise((go) => setTimeout(go, 1_000 + random() * 2_000));
      const other = random() < 0.3 ? others[Math.floor(random() * others.length)] : undefined;
      if (other) await other(copies);
      const which = Math.floor(random() * runners.length);
      const victim = runners[which]!;
      victim.child.kill("SIGKILL");
      expect(await victim.ended, victim.output()).toBe("SIGKILL");
      said.push(victim.output());
      runners[which] = startRunner(config);
      kills += 1;
      for (const db of copies.databases()) await db.dueLots(LOTS);
      lots += LOTS;
    }
    await atEnd();
  } finally {
    for (const { child } of runners) child.kill("SIGTERM");
    await Promise.all(runners.map(({ ended }) => ended));
  }
  for (const runner of runners) said.push(runner.output());
  expectLog(said.join(""));
  return { kills, lots };
}

/**
 * Expects lines of JSON, those of runs with what they are about, and no secret in any; and that no runner was told that a run
 * of its own, which it was waiting for, had been ended by somebody: then a living one was taken for dead.
 */
function expectLog(text: string): void {
  expect(text).not.toContain(PASSWORD);
  // Who was killed may have been in the middle of its last line.
  const lines = text.split("\n").filter((line) => line.startsWith("{") && line.endsWith("}"));
  const events = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(events.filter(({ sqlstate }) => sqlstate === "MJ002")).toEqual([]);
  const runs = events.filter(({ msg }) => msg === "run succeeded");
  expect(runs.length).toBeGreaterThan(10);
  for (const run of runs) {
    expect(run).toMatchObject({
      cell: "home",
      merchant: expect.stringMatching(/^copy\d+$/) as unknown,
      job: "lot_expiry",
      run: expect.stringMatching(/^\d+$/) as unknown,
    });
  }
}
