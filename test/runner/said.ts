import { expect } from "vitest";
import { time } from "../../runner/trouble.ts";
import {
  type Ask,
  type Health,
  healthOf,
  type SaidTrouble,
  troublesInMetrics,
  troublesInTerminal,
  troublesOnPage,
} from "./surfaces.ts";

/** A trouble as every surface has to say it. */
export interface Row {
  readonly kind: string;
  readonly severe: boolean;
  readonly cell: string;
  readonly merchant?: string;
  readonly job?: string;
  readonly words: string;
  /** In a terminal, which looks now, where that says it otherwise. */
  readonly inTerminal?: string;
  /** A line of the metrics that names who, besides the count of its kind. */
  readonly metric?: RegExp;
}

/** What the surfaces of a service said at one moment. */
export interface Said {
  readonly health: Health;
  readonly metrics: string;
  readonly page: { readonly code: number; readonly body: string };
  /** Status codes of /health and the page of each merchant, and what /health says of it. */
  readonly merchants: ReadonlyMap<string, { readonly health: Health; readonly page: number }>;
}

/** Asks for everything. */
export async function askAll(ask: Ask, merchants: readonly string[]): Promise<Said> {
  const each = new Map<string, { readonly health: Health; readonly page: number }>();
  for (const merchant of merchants) {
    const { code } = await ask(`/?merchant=${merchant}`);
    each.set(merchant, { health: await healthOf(ask, `?merchant=${merchant}`), page: code });
  }
  return {
    health: await healthOf(ask),
    metrics: (await ask("/metrics")).body,
    page: await ask("/"),
    merchants: each,
  };
}

/** Who and how bad, to be compared. */
export function aboutOf({
  kind,
  severe,
  cell,
  merchant,
  job,
}: Pick<SaidTrouble, "kind" | "severe" | "cell" | "merchant" | "job">): string {
  return JSON.stringify({ kind, severe, cell, merchant, job });
}

/** Expects that each surface of a service names these troubles and no other. */
export function expectOnly(rows: readonly Row[], { health, metrics, page }: Said): void {
  expect(health.troubles.map(aboutOf).toSorted()).toEqual(rows.map(aboutOf).toSorted());
  const counted: Record<string, number> = {};
  for (const { cell, kind } of rows) counted[`${cell} ${kind}`] = (counted[`${cell} ${kind}`] ?? 0) + 1;
  expect(troublesInMetrics(metrics)).toEqual(counted);
  const lines = troublesOnPage(page.body);
  expect(lines).toHaveLength(rows.length);
  // The worst first.
  const severe = rows.filter((row) => row.severe).length;
  expect(lines.map((line) => line.startsWith("did not run"))).toEqual(rows.map((_, i) => i < severe));
  const code = severe > 0 ? 503 : 200;
  expect([health.code, page.code]).toEqual([code, code]);
}

/** Expects that each surface of a service says who, since when and how bad. Undefined `since`: a time of these minutes. */
export function expectSaid(row: Row, { health, metrics, page }: Said, since?: string | null): void {
  const found = health.troubles.filter((one) => aboutOf(one) === aboutOf(row));
  expect(found).toHaveLength(1);
  const when = found[0]!.since;
  if (since === undefined) expect(Date.now() - Date.parse(when ?? "")).toBeLessThan(600_000);
  else expect(when).toBe(since);
  if (row.metric) expect(metrics).toMatch(row.metric);
  const lines = troublesOnPage(page.body).filter((line) => line.includes(row.words));
  expect(lines).toHaveLength(1);
  expect(lines[0]).toContain(when === null ? "unknown" : time(Date.parse(when)));
  expect(lines[0]!.startsWith(row.severe ? "did not run" : "in trouble")).toBe(true);
}

/** Expects the same of what `npm run status` printed. One look knows of nothing but a job since when it is so. */
export function expectInTerminal({ severe, job, words, inTerminal = words }: Row, text: string): void {
  const lines = troublesInTerminal(text).filter((line) => line.includes(inTerminal));
  expect(lines, text).toHaveLength(1);
  expect(lines[0]).toMatch(severe ? /^ {2}!! / : /^ {3}! /);
  const since = /, since \d{4}-\d\d-\d\d \d\d:\d\d GMT \(/;
  if (job === undefined) expect(lines[0]).not.toMatch(since);
  else expect(lines[0]).toMatch(since);
}
