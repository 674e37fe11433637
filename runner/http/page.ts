import type { Scheduler } from "../../spec/cells.ts";
import { type CellKnowledge, type Knowledge, type MerchantKnowledge, schedulersOf } from "../knowledge.ts";
import { age, count, findTroubles, judge, time, type Trouble } from "../trouble.ts";
import { codeOf } from "./health.ts";
import { type Html, html } from "./html.ts";
import { ago, badge, renderPage, type Status, STATUS_WORDS } from "./layout.ts";

/** How the table of merchants is asked for. */
export interface FleetQuery {
  readonly sort?: string | undefined;
  /** `trouble` for those that are not well. */
  readonly show?: string | undefined;
  /** Part of a merchant's name. */
  readonly q?: string | undefined;
  readonly page?: number | undefined;
}

/** A page and its status code. */
export interface Page {
  readonly code: 200 | 404 | 503;
  readonly html: string;
}

/** Rows on a page, so that a thousand merchants are no longer page than a hundred. */
const ROWS = 100;
/** Troubles that are shown in words; the table has all. */
const SHOWN = 20;

interface Row {
  readonly cell: CellKnowledge;
  readonly known: MerchantKnowledge;
  readonly status: Status;
  readonly trouble: Trouble | undefined;
  readonly lastSuccess: number | undefined;
}

/** The page of the whole fleet. */
export function renderFleet(knowledge: Knowledge, asked: FleetQuery, now: number): Page {
  const troubles = findTroubles(knowledge, now);
  const verdict = judge(knowledge, troubles);
  const rows = rowsOf(knowledge, troubles);
  const main = html`<h1 class="${verdict.status}">${verdict.answer}</h1>
    ${troubles.length > 0 && troubleTable(troubles)} ${rows.length > 0 && strip(rows)}
    ${rows.length > 0 && merchantTable(rows, asked, now)} ${cellTable(knowledge, now)}`;
  return { code: codeOf(verdict), html: renderPage("Did every job run?", main, now) };
}

function rowsOf({ cells }: Knowledge, troubles: readonly Trouble[]): readonly Row[] {
  // The first of a merchant is the worst: that is how they are sorted.
  const worst = new Map<string, Trouble>();
  for (const trouble of troubles) {
    const key = `${trouble.cell}/${trouble.merchant ?? ""}`;
    if (!worst.has(key)) worst.set(key, trouble);
  }
  return [...cells.values()].flatMap((cell) =>
    [...cell.merchants.values()].map((known): Row => {
      const ofCell = worst.get(`${cell.cell}/`);
      // Of a cell that does not answer nobody knows how its merchants are.
      const trouble = ofCell?.severe === true ? ofCell : worst.get(`${cell.cell}/${known.merchant}`);
      const seen = known.jobs.map(({ lastSuccessAt }) => lastSuccessAt ?? 0);
      const lastSuccess = Math.max(0, ...seen) || undefined;
      return { cell, known, trouble, lastSuccess, status: statusOf(known, trouble) };
    }),
  );
}

/** How a merchant is, by the worst of its troubles. */
export function statusOf(known: MerchantKnowledge, trouble: Trouble | undefined): Status {
  if (trouble !== undefined) return trouble.severe ? "failed" : "trouble";
  if (known.suspended) return "rest";
  return known.seenAt === undefined ? "starting" : "ok";
}

function troubleTable(troubles: readonly Trouble[]): Html {
  const left = troubles.length - SHOWN;
  return html`<h2>What is wrong</h2>
    <div class="scroll" role="region" aria-label="What is wrong" tabindex="0">
      <table>
        <thead>
          <tr>
            <th scope="col">How bad</th>
            <th scope="col">What</th>
            <th scope="col">Since</th>
            <th scope="col">To go on</th>
          </tr>
        </thead>
        <tbody>
          ${troubles.slice(0, SHOWN).map(
            (trouble) =>
              html`<tr>
                <td>${badge(trouble.severe ? "failed" : "trouble")}</td>
                <td class="text">${trouble.merchant === undefined ? trouble.text : linked(trouble)}</td>
                <td>
                  ${
                    trouble.since === undefined || trouble.age === undefined
                      ? "unknown"
                      : html`${time(trouble.since)}<br /><span class="note">${age(trouble.age)} ago</span>`
                  }
                </td>
                <td class="text"><code>${trouble.next}</code><br /><span class="note">${trouble.runbook}</span></td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
    ${left > 0 && html`<p class="note">and ${count(left, "more")}: the merchants below have them.</p>`}`;
}

function linked({ cell, merchant = "", text }: Trouble): Html {
  return html`<a href="${merchantPath(cell, merchant)}">${text}</a>`;
}

/** Where a merchant's own page is. */
function merchantPath(cell: string, merchant: string): string {
  return `/?${new URLSearchParams({ cell, merchant }).toString()}`;
}

/** A square for each merchant. The table says the same in words, so that this is one picture to a screen reader. */
function strip(rows: readonly Row[]): Html {
  const across = rows.length > 300 ? 100 : rows.length > 60 ? 60 : 30;
  const high = Math.ceil(rows.length / across);
  const counts = Map.groupBy(rows, ({ status }) => status);
  const words = [...counts].map(([status, all]) => `${all.length} ${STATUS_WORDS[status]}`).join(", ");
  return html`<h2>${count(rows.length, "merchant")}</h2>
    <svg class="strip" viewBox="0 0 ${across * 10} ${high * 10}" role="img" aria-label="${words}">
      ${rows.map(
        ({ known, status }, i) =>
          // prettier-ignore
          html`<rect class="${status}" x="${(i % across) * 10 + 1}" y="${Math.floor(i / across) * 10 + 1}" width="8" height="8" rx="1.5"><title>${known.merchant}: ${STATUS_WORDS[status]}</title></rect>`,
      )}
    </svg>
    <ul class="key">
      ${[...counts].map(
        ([status, all]) =>
          html`<li>
            <svg viewBox="0 0 10 10" aria-hidden="true"><rect class="${status}" width="10" height="10" rx="2" /></svg
            >${all.length.toLocaleString("en-US")} ${STATUS_WORDS[status]}
          </li>`,
      )}
    </ul>`;
}

const RANK: Readonly<Record<Status, number>> = { failed: 0, trouble: 1, starting: 2, ok: 3, rest: 4 };

/** The columns that the table can be sorted by. */
const SORTS: Readonly<Record<string, (one: Row, other: Row) => number>> = {
  status: (one, other) => RANK[one.status] - RANK[other.status],
  merchant: (one, other) => (one.known.merchant < other.known.merchant ? -1 : 1),
  cell: (one, other) => (one.cell.cell < other.cell.cell ? -1 : one.cell.cell > other.cell.cell ? 1 : 0),
  success: (one, other) => (other.lastSuccess ?? 0) - (one.lastSuccess ?? 0),
  age: (one, other) => (one.known.seenAt ?? 0) - (other.known.seenAt ?? 0),
};

function merchantTable(rows: readonly Row[], asked: FleetQuery, now: number): Html {
  const q = asked.q?.trim().toLowerCase() ?? "";
  const show = asked.show === "trouble" ? "trouble" : "all";
  const sort = asked.sort !== undefined && Object.hasOwn(SORTS, asked.sort) ? asked.sort : "status";
  const found = rows
    .filter(({ known }) => known.merchant.includes(q))
    .filter(({ status }) => show === "all" || status === "failed" || status === "trouble")
    .toSorted(SORTS[sort]);
  const pages = Math.max(1, Math.ceil(found.length / ROWS));
  const page = Math.min(asked.page ?? 1, pages);
  const to = (change: Record<string, string>) =>
    `/?${new URLSearchParams({ ...(q && { q }), show, sort, ...change }).toString()}`;
  const head = (key: string, word: string) =>
    html`<th scope="col" aria-sort="${key === sort ? (key === "success" ? "descending" : "ascending") : "none"}">
      <a href="${to({ sort: key })}">${word}</a>
    </th>`;
  return html`<form method="get" action="/" role="search" aria-label="Merchants">
      <label>Merchant<input name="q" value="${q}" autocomplete="off" spellcheck="false" /></label>
      <label
        >Show<select name="show">
          <option value="all" ${show === "all" && html`selected`}>all</option>
          <option value="trouble" ${show === "trouble" && html`selected`}>those in trouble</option>
        </select></label
      >
      <input type="hidden" name="sort" value="${sort}" />
      <button>Filter</button>
    </form>
    <div class="scroll" role="region" aria-label="Merchants" tabindex="0">
      <table>
        <caption>
          ${count(found.length, "merchant")}${pages > 1 && `, page ${page} of ${pages}`}; select a column to sort by it
        </caption>
        <thead>
          <tr>
            ${head("merchant", "Merchant")} ${head("status", "How it is")} ${head("cell", "Cell")}
            <th scope="col" class="number">Jobs</th>
            ${head("success", "Newest success")} ${head("age", "Looked at")}
          </tr>
        </thead>
        <tbody>
          ${found.slice((page - 1) * ROWS, page * ROWS).map((row) => merchantRow(row, now))}
        </tbody>
      </table>
    </div>
    ${
      pages > 1 &&
      html`<nav class="pages" aria-label="Pages">
        ${page > 1 && html`<a href="${to({ page: String(page - 1) })}" rel="prev">Page ${page - 1}</a>`}
        <span>Page ${page} of ${pages}</span>
        ${page < pages && html`<a href="${to({ page: String(page + 1) })}" rel="next">Page ${page + 1}</a>`}
      </nav>`
    }`;
}

function merchantRow({ cell, known, status, trouble, lastSuccess }: Row, now: number): Html {
  return html`<tr>
    <th scope="row"><a href="${merchantPath(cell.cell, known.merchant)}">${known.merchant}</a></th>
    <td>${badge(status)} ${trouble && html`<span class="note">${trouble.job ?? ""} ${trouble.kind}</span>`}</td>
    <td>${cell.cell}</td>
    <td class="number">${known.jobs.filter(({ enabled }) => enabled).length}</td>
    <td>${ago(lastSuccess, now + cell.serverOffset)}</td>
    <td>${known.seenAt === undefined ? "not yet" : `${age(now - known.seenAt)} ago`}</td>
  </tr>`;
}

/** Who starts jobs, in a sentence. */
export function schedulerName(scheduler: Scheduler): string {
  return scheduler === "runner" ? "the runner" : "pg_cron";
}

function launcherWord({ launcher, seenAt }: CellKnowledge): string {
  if (launcher === undefined) return seenAt === undefined ? "unknown" : "not needed";
  return launcher ? "runs" : "does not run";
}

function cellTable({ cells }: Knowledge, now: number): Html {
  return html`<h2>${count(cells.size, "cell")}</h2>
    <div class="scroll" role="region" aria-label="Cells" tabindex="0">
      <table>
        <thead>
          <tr>
            <th scope="col">Cell</th>
            <th scope="col" class="number">Merchants</th>
            <th scope="col">Jobs started by</th>
            <th scope="col">pg_cron's launcher</th>
            <th scope="col" class="number">Connections of ours</th>
            <th scope="col">Looked at</th>
          </tr>
        </thead>
        <tbody>
          ${[...cells.values()].map(
            (cell) =>
              html`<tr>
                <th scope="row">${cell.cell}</th>
                <td class="number">${cell.merchants.size}</td>
                <td>${schedulersOf(cell).map(schedulerName).join(", ") || "nobody yet"}</td>
                <td>
                  ${launcherWord(cell)} ${cell.rescuingSince !== undefined && badge("trouble", "rescued by the runner")}
                </td>
                <td class="number">${cell.connections}</td>
                <td>${cell.seenAt === undefined ? "not yet" : `${age(now - cell.seenAt)} ago`}</td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>`;
}
