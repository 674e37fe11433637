import type { Verdict } from "../trouble.ts";
import { wallTime } from "../steady-clock.ts";
import { age, time } from "../trouble.ts";
import { type Html, html } from "./html.ts";

/** How a merchant, or a job, is: what a verdict says, or that it rests. */
export type Status = Verdict["status"] | "rest";

/** What a status is called. */
export const STATUS_WORDS: Readonly<Record<Status, string>> = {
  ok: "on time",
  trouble: "in trouble",
  failed: "did not run",
  starting: "not seen yet",
  rest: "suspended",
};

/** A page. It loads its style and nothing else. */
export function renderPage(title: string, main: Html, now: number): string {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title}</title>
        <link rel="icon" href="/icon.svg" />
        <link rel="stylesheet" href="/style.css" />
      </head>
      <body>
        <header><p class="brand">merchant-jobs, as known at ${time(wallTime(now))}</p></header>
        <main>${main}</main>
      </body>
    </html> `.text;
}

/** A status as a word on its colour. */
export function badge(status: Status, word: string = STATUS_WORDS[status]): Html {
  return html`<span class="status ${status}">${word}</span>`;
}

/** When something was, and how long ago; both of one clock. */
export function ago(instant: number | undefined, now: number): Html {
  if (instant === undefined) return html`never`;
  return html`<time datetime="${new Date(instant).toISOString()}">${time(instant)}</time>
    <span class="note">${age(now - instant)} ago</span>`;
}
