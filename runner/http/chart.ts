import type { DayOfRuns } from "../knowledge.ts";
import { age, count } from "../trouble.ts";
import { type Html, html } from "./html.ts";

const DAYS = 30;
const DAY = 86_400_000;
const WIDE = 600;
const HIGH = 110;
const BASE = 86;
const TOP = 16;

/**
 * The last 30 days of a job: a bar for the longest run of each day, red where one failed, and a line for the rows. The
 * figures are in a table below it, for those who do not see it.
 */
export function renderChart(job: string, days: readonly DayOfRuns[], now: number): Html {
  const byDay = new Map(days.map((day) => [day.day, day]));
  const all = Array.from({ length: DAYS }, (_, i) => {
    const day = new Date(now - (DAYS - 1 - i) * DAY).toISOString().slice(0, 10);
    return byDay.get(day) ?? { day, runs: 0, failures: 0, rows: 0, seconds: 0 };
  });
  const longest = Math.max(...all.map(({ seconds }) => seconds), 0.001);
  const most = Math.max(...all.map(({ rows }) => rows), 1);
  const step = WIDE / DAYS;
  const height = (share: number) => Math.max(2, share * (BASE - TOP));
  const runs = all.reduce((sum, day) => sum + day.runs, 0);
  const failures = all.reduce((sum, day) => sum + day.failures, 0);
  const line = all.map(({ rows }, i) => `${i * step + step / 2},${BASE - (rows / most) * (BASE - TOP)}`).join(" ");
  const words =
    `${job}, last 30 days: ${count(runs, "run")}, of which ${failures} failed; ` +
    `longest ${longest < 2 ? `${longest.toFixed(2)} s` : age(longest * 1000)}, at most ${count(most, "row")} a day`;
  return html`<svg class="chart" viewBox="0 0 ${WIDE} ${HIGH}" role="img" aria-label="${words}">
      ${all.map(
        ({ runs: some, failures: bad, seconds, day }, i) =>
          some > 0 &&
          html`<rect
            class="${bad > 0 ? "fail" : "run"}"
            x="${i * step + 2}"
            y="${BASE - height(seconds / longest)}"
            width="${step - 4}"
            height="${height(seconds / longest)}"
            ><title>${day}</title></rect
          >`,
      )}
      <polyline class="rows" points="${line}" />
      <line class="axis" x1="0" x2="${WIDE}" y1="${BASE}" y2="${BASE}" />
      <text x="0" y="11">longest run ${longest.toFixed(2)} s; line: rows, at most ${most.toLocaleString("en-US")}</text>
      <text x="0" y="${HIGH - 8}">${all[0]?.day}</text>
      <text x="${WIDE}" y="${HIGH - 8}" text-anchor="end">${all.at(-1)?.day}</text>
    </svg>
    <details>
      <summary>The figures of ${job}</summary>
      <div class="scroll" role="region" aria-label="Days of ${job}" tabindex="0">
        <table>
          <thead>
            <tr>
              <th scope="col">Day</th>
              <th scope="col" class="number">Runs</th>
              <th scope="col" class="number">Failed</th>
              <th scope="col" class="number">Rows</th>
              <th scope="col" class="number">Longest (s)</th>
            </tr>
          </thead>
          <tbody>
            ${days.toReversed().map(
              ({ day, runs: some, failures: bad, rows, seconds }) =>
                html`<tr>
                  <th scope="row">${day}</th>
                  <td class="number">${some}</td>
                  <td class="number">${bad}</td>
                  <td class="number">${rows}</td>
                  <td class="number">${seconds.toFixed(2)}</td>
                </tr>`,
            )}
          </tbody>
        </table>
      </div>
    </details>`;
}
