/** The style of all pages. Colours have a contrast of at least 4.5 (text) and 3 (shapes) to their ground, in both modes. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --ground: #ffffff; --raised: #f5f6f8; --line: #d5d9e0; --text: #1b1f27; --quiet: #565e6c; --link: #0b57c2;
  --ok: #1c6332; --ok-ground: #e6f4ea; --warn: #7a4b00; --warn-ground: #fdf1dc; --bad: #a31d16; --bad-ground: #fce8e6;
  --rest: #8089a0; --bar: #5f83bd;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #14171c; --raised: #1d2128; --line: #353b46; --text: #e7e9ee; --quiet: #a4acba; --link: #8ab4f8;
    --ok: #6cc389; --ok-ground: #16301f; --warn: #f0b95a; --warn-ground: #3a2a0e; --bad: #ff8a80; --bad-ground: #43201d;
    --rest: #7d869b; --bar: #7fa3dd;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1.5rem clamp(1rem, 4vw, 3rem) 4rem; max-width: 84rem; background: var(--ground);
  color: var(--text); font: 1rem/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
}
a { color: var(--link); }
a:focus-visible, input:focus-visible, select:focus-visible, button:focus-visible, summary:focus-visible,
[tabindex]:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.brand { margin: 0 0 1rem; color: var(--quiet); font-size: .875rem; }
h1 { margin: 0; padding: 1rem 1.25rem; border-left: .5rem solid; border-radius: .375rem; font-size: 1.375rem; line-height: 1.35;
  font-weight: 600; overflow-wrap: anywhere; }
h1.plain { padding: 0; border: 0; }
h1.ok { color: var(--ok); background: var(--ok-ground); }
h1.trouble, h1.starting { color: var(--warn); background: var(--warn-ground); }
h1.failed { color: var(--bad); background: var(--bad-ground); }
h2 { margin: 2rem 0 .5rem; font-size: 1.125rem; }
p.note, .note { color: var(--quiet); font-size: .875rem; }
.strip { display: block; width: 100%; height: auto; margin: .5rem 0; }
.strip .ok, .key .ok { fill: var(--ok); } .strip .trouble, .key .trouble { fill: var(--warn); }
.strip .failed, .key .failed { fill: var(--bad); }
.strip .rest, .key .rest { fill: var(--rest); } .strip .starting, .key .starting { fill: var(--line); }
.key { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: 0; padding: 0; list-style: none; font-size: .875rem; }
.key svg { width: .75rem; height: .75rem; margin-right: .375rem; }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: .375rem; }
.scroll table { min-width: 42rem; }
table { width: 100%; border-collapse: collapse; font-size: .9375rem; font-variant-numeric: tabular-nums; }
caption { padding: .5rem .75rem; text-align: left; color: var(--quiet); font-size: .875rem; }
th, td { padding: .5rem .75rem; border-top: 1px solid var(--line); text-align: left; vertical-align: top; }
thead th { background: var(--raised); white-space: nowrap; }
tbody th { font-weight: 600; }
td.number, th.number { text-align: right; }
time, td.since { white-space: nowrap; }
td.text { overflow-wrap: anywhere; min-width: 16rem; }
code { font: .875em ui-monospace, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
.status { display: inline-block; padding: 0 .5rem; border-radius: 1rem; white-space: nowrap; font-size: .875rem; font-weight: 600; }
.status.ok { color: var(--ok); background: var(--ok-ground); }
.status.trouble, .status.starting { color: var(--warn); background: var(--warn-ground); }
.status.failed { color: var(--bad); background: var(--bad-ground); }
.status.rest { color: var(--quiet); background: var(--raised); }
form { display: flex; flex-wrap: wrap; gap: .75rem; align-items: end; margin: .75rem 0; }
label { display: grid; gap: .125rem; color: var(--quiet); font-size: .875rem; }
input, select, button { min-height: 2.5rem; padding: .25rem .75rem; border: 1px solid var(--rest); border-radius: .375rem;
  background: var(--ground); color: var(--text); font: inherit; }
button { background: var(--raised); cursor: pointer; }
nav.pages { display: flex; flex-wrap: wrap; gap: 1rem; align-items: center; margin: .75rem 0; }
.chart { display: block; width: 100%; max-width: 50rem; height: auto; }
.chart .run { fill: var(--bar); } .chart .fail { fill: var(--bad); } .chart .rows { fill: none; stroke: var(--text); stroke-width: 1.5; }
.chart .axis { stroke: var(--rest); } .chart text { fill: var(--quiet); font-size: 11px; }
.card { margin: 1rem 0; padding: 1rem 1.25rem; border: 1px solid var(--line); border-radius: .375rem; }
.card h3 { margin: 0 0 .25rem; font-size: 1rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .125rem 1rem; margin: .5rem 0; }
dt { color: var(--quiet); } dd { margin: 0; overflow-wrap: anywhere; }
`;

/** What a browser shows beside the title. */
export const ICON =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="3" fill="#0b57c2"/>' +
  '<path d="M8 3v5l3 2" fill="none" stroke="#fff" stroke-width="2"/></svg>';
