import { createMetrics } from "../../runner/http/metrics.ts";
import { createServer } from "../../runner/http/server.ts";
import type { Knowledge } from "../../runner/knowledge.ts";

/** Asks a service for a path. */
export type Ask = (url: string) => Promise<{ readonly code: number; readonly body: string }>;

/** Asks a fleet of this process. */
export function askFleet(knowledge: Knowledge, metrics = createMetrics()): Ask {
  return async (url) => {
    const app = createServer({ knowledge, metrics, listen: { host: "127.0.0.1", port: 0 }, token: undefined });
    const answer = await app.inject(url);
    await app.close();
    return { code: answer.statusCode, body: answer.body };
  };
}

/** Asks a runner in a process of its own. */
export function askProcess(address: string): Ask {
  return async (url) => {
    const answer = await fetch(`${address}${url}`);
    return { code: answer.status, body: await answer.text() };
  };
}

/** What /health says. */
export interface Health {
  readonly code: number;
  readonly status: string;
  readonly answer: string;
  readonly troubles: readonly SaidTrouble[];
}

/** A trouble as /health says it. */
export interface SaidTrouble {
  readonly kind: string;
  readonly severe: boolean;
  readonly cell: string;
  readonly merchant?: string;
  readonly job?: string;
  readonly since: string | null;
  readonly text: string;
  readonly runbook: string;
}

/** Asks /health. */
export async function healthOf(ask: Ask, query = ""): Promise<Health> {
  const { code, body } = await ask(`/health${query}`);
  return { code, ...(JSON.parse(body) as Omit<Health, "code">) };
}

/** The lines of "What is wrong" of the status page, as they are read. */
export function troublesOnPage(body: string): readonly string[] {
  const table = /<h2>What is wrong<\/h2>.*?<tbody>(.*?)<\/tbody>/s.exec(body)?.[1] ?? "";
  return table
    .split("<tr>")
    .slice(1)
    .map((row) =>
      row
        .replace(/<[^>]*>/g, " ")
        .replace(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code)))
        .replace(/\s+/g, " ")
        .trim(),
    );
}

/** How many troubles of each kind the metrics of each cell count: `{"home overdue": 1}`. */
export function troublesInMetrics(body: string): Readonly<Record<string, number>> {
  const lines = body.matchAll(/^merchant_jobs_troubles\{cell="([^"]+)",kind="([^"]+)"\} (\d+)$/gm);
  return Object.fromEntries([...lines].map(([, cell = "", kind = "", n]) => [`${cell} ${kind}`, Number(n)]));
}

/** The troubles that `npm run status` prints, each with its time. */
export function troublesInTerminal(text: string): readonly string[] {
  return text.split("\n").filter((line) => /^ +!/.test(line));
}
