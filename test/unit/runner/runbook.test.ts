// From an alert to its entry of the runbook: every trouble has one under its own words, every alert's link leads to one, and
// the page has none that nothing leads to.
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { answerHealth } from "../../../runner/http/health.ts";
import { renderFleet } from "../../../runner/http/page.ts";
import { renderMerchant } from "../../../runner/http/page-merchant.ts";
import type { Knowledge } from "../../../runner/knowledge.ts";
import { anchorOf, HEADINGS, RUNBOOK } from "../../../runner/runbook.ts";
import { renderStatus } from "../../../runner/status.ts";
import { findTroubles, type Trouble } from "../../../runner/trouble.ts";
import { fleetOf } from "../../browser/fleets.ts";

const repository = path.join(import.meta.dirname, "..", "..", "..");
const read = (file: string) => readFileSync(path.join(repository, file), "utf8");
const page = read(RUNBOOK);
const entries = page.split(/^## /m).slice(1);
const headings = entries.map((entry) => entry.slice(0, entry.indexOf("\n")));
/** What the runner cannot say of itself, or says of no merchant: alerts alone lead there. */
const OF_ALERTS = ["No runner answers", "The runner does what pg_cron leaves"];

const now = Date.parse("2026-11-26T02:00:00Z");
const HOUR = 3_600_000;

/** A fleet with every trouble that there is. */
function fleetInTrouble(): Knowledge {
  const planted = {
    overdueSince: now - HOUR,
    zoneUnknown: true,
    timezone: "Mars/Olympus",
    abandonedSince: now - HOUR,
    failuresInRow: 3,
    failingSince: now - HOUR,
    lastError: "the disk is full",
    behind: true,
    behindSince: now - HOUR,
    quarantined: 2,
    quarantinedSince: now - HOUR,
  };
  const fleet = fleetOf(3, now, { 0: planted, 1: { timezone: "Mars/Olympus" } });
  const home = fleet.cells.get("home")!;
  home.launcherGoneSince = now - HOUR;
  home.clockSkew = 7_200_000;
  home.merchants.get("merchant0001")!.failure = { message: "the database is shut", since: now - HOUR };
  home.merchants.get("merchant0002")!.seenAt = now - HOUR;
  const away = {
    ...home,
    cell: "away",
    merchants: new Map(),
    failure: { message: "nobody is there", since: now - HOUR },
  };
  const silent = { ...home, cell: "silent", merchants: new Map(), seenAt: now - HOUR };
  return {
    ...fleet,
    cells: new Map([
      ["home", home],
      ["away", away],
      ["silent", silent],
    ]),
  };
}

/** Its text, with "a job", "a merchant" and "a cell" for the names. */
function withoutNames({ text, cell, merchant, job }: Trouble): string {
  return text
    .replace(`${job} of ${merchant}`, "a job")
    .replace(`cell ${cell}`, "a cell")
    .replace(`of ${merchant} `, "of a merchant ")
    .replace(new RegExp(`^${merchant} `), "a merchant ");
}

const troubles = findTroubles(fleetInTrouble(), now);

describe("the runbook", () => {
  test("has an entry for every trouble that there is, and for two alerts, and no other", () => {
    const all = Object.values(HEADINGS).flatMap((scopes) => Object.values(scopes));
    expect(headings.toSorted()).toEqual([...all, ...OF_ALERTS].toSorted());
    expect(new Set(troubles.map(({ runbook }) => runbook))).toEqual(
      new Set(all.map((heading) => `${RUNBOOK}#${anchorOf(heading)}`)),
    );
  });

  test.for(troubles)("the entry of $text begins with the words of the trouble", (trouble) => {
    const heading = headings.find((one) => trouble.runbook === `${RUNBOOK}#${anchorOf(one)}`)!;
    const said = withoutNames(trouble);
    expect(said.slice(0, heading.length)).toBe(heading.slice(0, 1).toLowerCase() + heading.slice(1));
  });

  test.for(entries.map((entry) => ({ heading: entry.split("\n")[0], entry })))(
    "$heading says what it means, whether money is at risk, what to look at and to do, and when it is over",
    ({ entry }) => {
      const labels = [...entry.matchAll(/^\*\*(\w+)\.\*\*/gm)].map(([, label]) => label);
      expect(labels).toEqual(["Means", "Money", "Look", "Do", "Over"]);
    },
  );

  test("leads from one entry to another by links that resolve", () => {
    const links = [...page.matchAll(/\]\(#([^)]+)\)/g)].map(([, anchor]) => anchor);
    expect(links.length).toBeGreaterThan(3);
    expect(links.filter((anchor) => !headings.some((heading) => anchorOf(heading) === anchor))).toEqual([]);
  });
});

describe("an alert", () => {
  interface Rule {
    readonly alert: string;
    readonly expr: string;
    readonly annotations: Readonly<Record<"summary" | "runbook_url", string>>;
  }
  const { groups } = parse(read("runner/alerts.yaml")) as {
    readonly groups: readonly { readonly rules: readonly Rule[] }[];
  };
  const rules = groups.flatMap((group) => group.rules);

  test.for(rules)("$alert leads to the entry of what it is about", ({ expr, annotations }) => {
    const [kind] = /kind=~?"(\w+)/.exec(expr)?.slice(1) ?? [];
    const about = Object.entries(HEADINGS).find(([one]) => one === kind)?.[1];
    const possible = about ? Object.values(about) : OF_ALERTS;
    expect(possible.map((heading) => `${RUNBOOK}#${anchorOf(heading)}`)).toContain(annotations.runbook_url);
  });

  test("leads to each entry that no trouble leads to, in its words", () => {
    for (const heading of OF_ALERTS) {
      const rule = rules.find(({ annotations }) => annotations.runbook_url === `${RUNBOOK}#${anchorOf(heading)}`);
      expect(rule?.annotations.summary.startsWith(heading), heading).toBe(true);
    }
  });
});

test("health, both pages and the terminal name the entry of each trouble that they show", () => {
  const fleet = fleetInTrouble();
  const { text } = renderStatus(fleet, now);
  const { body } = answerHealth(fleet, {}, now);
  const { html } = renderFleet(fleet, {}, now);
  for (const { runbook } of troubles) {
    expect(text).toContain(`       ${runbook}\n`);
    expect(JSON.stringify(body)).toContain(`"runbook":"${runbook}"`);
    expect(html).toContain(runbook);
  }
  const own = troubles.filter(({ merchant, job }) => merchant === "merchant0000" && job !== undefined);
  const merchant = renderMerchant(fleet, { cell: "home", merchant: "merchant0000" }, now).html;
  for (const { runbook } of own) expect(merchant).toContain(runbook);
});
