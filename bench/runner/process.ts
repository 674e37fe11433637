import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import type { RunningServer } from "../../local/postgres.ts";
import { runnerConfig, startRunner } from "../../test/runner/kit.ts";

/** A runner in a process of its own. */
export interface BenchRunner {
  readonly url: string;
  readonly pid: number;
  /** Milliseconds from its start until every merchant was visited. */
  readonly firstRound: number;
}

/** Milliseconds in which it has to have visited all. */
const PATIENCE = 300_000;

/**
 * Does the work beside a runner with the settings that it has when it is told none, after it has visited this merchant:
 * the last one by name is the last of the first round.
 */
export async function withRunner<T>(
  server: RunningServer,
  last: string,
  work: (runner: BenchRunner) => Promise<T>,
): Promise<T> {
  const config = runnerConfig(server, { cellEverySeconds: 15, merchantEverySeconds: 300 });
  const runner = startRunner(config);
  try {
    const began = performance.now();
    const url = await runner.url();
    const end = performance.now() + PATIENCE;
    while (!(await isVisited(url, last))) {
      if (performance.now() > end) throw new Error(`the runner has not visited all merchants:\n${runner.output()}`);
      await pause(250);
    }
    return await work({ url, pid: runner.child.pid ?? 0, firstRound: performance.now() - began });
  } finally {
    runner.child.kill("SIGTERM");
    await runner.ended;
  }
}

/** Whether this merchant was visited. A question about all would leave the answer's memory in what is measured. */
async function isVisited(url: string, merchant: string): Promise<boolean> {
  const answer = await fetch(`${url}/health?merchant=${merchant}`);
  const { cells } = (await answer.json()) as { cells?: { merchants: { ageSeconds: number | null }[] }[] };
  return cells?.[0]?.merchants[0]?.ageSeconds != null;
}

/** Seconds over which memory is watched. */
const WATCHED = 20;

/** The memory that an idle process has, in bytes: the middle of what it had over some seconds (VmRSS of proc_pid_status(5)). */
export async function idleMemory(pid: number): Promise<number> {
  const found: number[] = [];
  for (let i = 0; i < WATCHED * 2; i += 1) {
    await pause(500);
    found.push(Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${String(pid)}/status`, "utf8"))?.[1]) * 1024);
  }
  return middle(found);
}

/** Requests, of which the fastest counts: what else the machine does only adds. */
const REQUESTS = 50;

/** Milliseconds that the status page takes. */
export async function pageTime(url: string): Promise<number> {
  const found: number[] = [];
  for (let i = 0; i < REQUESTS; i += 1) {
    const began = performance.now();
    await (await fetch(url)).text();
    found.push(performance.now() - began);
  }
  return Math.min(...found);
}

function middle(numbers: readonly number[]): number {
  return numbers.toSorted((one, other) => one - other)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}
