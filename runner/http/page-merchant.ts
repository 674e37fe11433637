import { nextDue } from "../../spec/due.ts";
import { isKnownZone } from "../../spec/local-time.ts";
import { parseSchedule } from "../../spec/schedule.ts";
import { type CellKnowledge, daysOfJob, type JobHealth, type Knowledge, type MerchantKnowledge } from "../knowledge.ts";
import { wallTime } from "../steady-clock.ts";
import { findTroubles, time, type Trouble } from "../trouble.ts";
import { renderChart } from "./chart.ts";
import { type Html, html } from "./html.ts";
import { ago, badge, renderPage } from "./layout.ts";
import { type Page, schedulerName, statusOf } from "./page.ts";

/** Times that are shown of what is due next. */
const NEXT = 3;

/** The page of one merchant: its jobs, when they are due, and what they did in 30 days. */
export function renderMerchant(
  knowledge: Knowledge,
  asked: { readonly cell: string | undefined; readonly merchant: string },
  now: number,
): Page {
  const found = [...knowledge.cells.values()]
    .filter(({ cell, merchants }) => (asked.cell === undefined || cell === asked.cell) && merchants.has(asked.merchant))
    .map((cell) => [cell, cell.merchants.get(asked.merchant)] as const)[0];
  const [cell, known] = found ?? [];
  if (cell === undefined || known === undefined) {
    const main = html`<h1 class="plain">There is no merchant ${asked.merchant}, or it has not been seen yet.</h1>
      <p><a href="/">All merchants</a></p>`;
    return { code: 404, html: renderPage("No such merchant", main, now) };
  }
  // What is wrong with its cell is its own trouble when nobody knows how its jobs are.
  const troubles = findTroubles(knowledge, now).filter(
    ({ cell: of, merchant, severe }) =>
      of === cell.cell && (merchant === known.merchant || (merchant === undefined && severe)),
  );
  const main = html`<p><a href="/">All merchants</a></p>
    <h1 class="${statusOf(known, troubles[0])}">${sentence(known, troubles)}</h1>
    ${facts(cell, known, now)}
    <h2>Jobs</h2>
    ${known.jobs.length === 0 && html`<p>Its jobs have not been seen yet.</p>`}
    ${known.jobs.map((job) => jobCard(cell, known, job, troubles, now))}
    ${known.scheduler === "pg_cron" && crontab(known)}`;
  return { code: troubles[0]?.severe === true ? 503 : 200, html: renderPage(`${known.merchant}: jobs`, main, now) };
}

function sentence({ merchant, suspended, seenAt }: MerchantKnowledge, troubles: readonly Trouble[]): string {
  const [first, ...others] = troubles;
  if (first !== undefined) {
    const since = first.since === undefined ? "" : `, since ${time(first.since)}`;
    return `${first.text}${since}${others.length > 0 ? `; and ${others.length} more` : ""}.`;
  }
  if (suspended) return `${merchant} is suspended: its jobs rest.`;
  return seenAt === undefined ? `${merchant} has not been seen yet.` : `Every job of ${merchant} ran on time.`;
}

function facts(cell: CellKnowledge, known: MerchantKnowledge, now: number): Html {
  return html`<dl>
    <dt>Cell</dt>
    <dd>${cell.cell}</dd>
    <dt>Database</dt>
    <dd><code>${known.database}</code></dd>
    <dt>Started by</dt>
    <dd>${schedulerName(known.scheduler)}</dd>
    <dt>Looked at</dt>
    <dd>${known.seenAt === undefined ? "not yet" : ago(wallTime(known.seenAt), wallTime(now))}</dd>
  </dl>`;
}

/** What pg_cron has, beside what the engine knows. A job of a time zone fires more often than it is due. */
function crontab({ crontab: lines }: MerchantKnowledge): Html {
  return html`<h2>Crontab of pg_cron</h2>
    ${lines.length === 0 && html`<p>It has no job of this merchant, or none has been seen yet.</p>`}
    ${
      lines.length > 0 &&
      html`<div class="scroll" role="region" aria-label="Crontab of pg_cron" tabindex="0">
        <table>
          <thead>
            <tr>
              <th scope="col">Job</th>
              <th scope="col">Schedule (GMT)</th>
              <th scope="col">Command</th>
              <th scope="col">Active</th>
            </tr>
          </thead>
          <tbody>
            ${lines.map(
              ({ name, schedule, command, active }) =>
                html`<tr>
                  <th scope="row">${name}</th>
                  <td><code>${schedule}</code></td>
                  <td>${command === undefined ? "somebody else's" : html`<code>${command}</code>`}</td>
                  <td>${active ? "yes" : "no"}</td>
                </tr>`,
            )}
          </tbody>
        </table>
      </div>`
    }`;
}

function jobCard(
  cell: CellKnowledge,
  known: MerchantKnowledge,
  job: JobHealth,
  troubles: readonly Trouble[],
  now: number,
): Html {
  const own = troubles.filter((trouble) => trouble.job === job.job);
  // Its database, or its whole cell, does not answer.
  const isUnknown = troubles.some((trouble) => trouble.job === undefined && trouble.severe);
  return html`<section class="card" aria-label="${job.job}">
    <h3>${job.job} ${jobBadge(job, own[0], isUnknown)}</h3>
    ${own.map(
      ({ text, since, next, runbook }) =>
        html`<p>
          ${text}${since !== undefined && `, since ${time(since)}`}.<br /><code>${next}</code><br />
          <span class="note">${runbook}</span>
        </p>`,
    )}
    <dl>
      <dt>Schedule</dt>
      <dd>${job.schedule === undefined ? "by hand alone" : html`<code>${job.schedule}</code> ${job.timezone}`}</dd>
      <dt>Next</dt>
      <dd>${nextTimes(cell, job, now)}</dd>
      <dt>Last success</dt>
      <dd>${ago(job.lastSuccessAt, now + cell.serverOffset)}</dd>
      ${
        job.runningSince !== undefined &&
        html`<dt>Running</dt>
          <dd>since ${time(job.runningSince)}</dd>`
      }
    </dl>
    ${renderChart(job.job, daysOfJob(known.days, job.job), now + cell.serverOffset)}
  </section>`;
}

function jobBadge({ enabled }: JobHealth, trouble: Trouble | undefined, isUnknown: boolean): Html {
  if (trouble !== undefined) return badge(trouble.severe ? "failed" : "trouble");
  if (!enabled) return badge("rest", "switched off");
  return isUnknown ? badge("starting", "not known") : badge("ok");
}

/** By the server's clock, which is the one that counts. */
function nextTimes({ serverOffset }: CellKnowledge, { enabled, schedule, timezone }: JobHealth, now: number): string {
  if (!enabled) return "never: it is switched off";
  const parsed = schedule === undefined ? undefined : parseSchedule(schedule);
  if (parsed === undefined || parsed.kind === "problem") return "never by itself";
  if (parsed.kind === "seconds") return `every ${parsed.every} s`;
  if (!isKnownZone(timezone)) return "unknown, as its time zone is";
  const times: string[] = [];
  let at: Date | undefined = new Date(now + serverOffset);
  while (times.length < NEXT) {
    at = nextDue(parsed, timezone, at);
    if (at === undefined) break;
    times.push(time(at.getTime()));
  }
  return times.join(", ") || "not within nine years";
}
