import { expect, test } from "vitest";
import { type DriftReport, driftOf, exitStatusOf } from "../../../report/drift/model.ts";
import { renderJson, renderMarkdown, renderText } from "../../../report/drift/render.ts";
import { EventsError, parseEngineOutput } from "../../../report/engine-events.ts";

const urn = (type: string, name: string) => `urn:pulumi:prod::merchant-jobs::merchant-jobs:index:${type}::${name}`;
const crontab = (id: string) => urn("Merchant$pulumi-nodejs:dynamic/merchant-jobs:Crontab", `${id}-crontab`);
const job = { schedule: "0 2 * * *", command: "CALL app.expire_lots()", active: true, batchSize: 10 };
const state = (jobs: object, more: object = {}) => ({
  type: "pulumi-nodejs:dynamic/merchant-jobs:Crontab",
  inputs: { cell: "eu-1", suspended: false, jobs, ...more },
});
const clean = { lot_expiry: job };
const late = { lot_expiry: { ...job, schedule: "5 3 * * *", due: "0 2 * * *" } };

/** A step as it begins and ends, under the name that it ends with. */
const step = (op: string, of: string, old: unknown, next: unknown, ends = op) => [
  { resourcePreEvent: { metadata: { op, urn: of, old, new: op === "refresh" ? old : next } } },
  { resOutputsEvent: { metadata: { op: ends, urn: of, old, new: next } } },
];
const failing = (of: string, text: string) => [
  { resourcePreEvent: { metadata: { op: "refresh", urn: of, old: state(clean), new: state(clean) } } },
  { diagnosticEvent: { urn: of, severity: "error", message: text } },
  { resOpFailedEvent: { metadata: { op: "refresh", urn: of, old: state(clean), new: state(clean) } } },
];
const ended = (result: string) => [{ summaryEvent: { result } }];
const look = (...events: object[][]): DriftReport =>
  driftOf(
    "prod",
    parseEngineOutput(
      events
        .flat()
        .map((event) => JSON.stringify(event))
        .join("\n"),
    ),
  );

test("what the program would change is drift the other way round, and was not applied where no read found it", () => {
  const report = look(
    step("refresh", crontab("acme"), state(clean), state(late), "update"),
    step("refresh", crontab("coral"), state(clean), state(clean)),
    step("update", crontab("acme"), state(late), state(clean)),
    step("update", crontab("coral"), state(clean), state(clean, { suspended: true })),
    ended("succeeded"),
  );
  expect(
    report.drift.map(({ owner, object, property, declared, found, pending }) => [
      owner.name,
      object,
      property,
      declared,
      found,
      pending,
    ]),
  ).toEqual([
    ["acme", "job lot_expiry", "schedule", "0 2 * * *", "5 3 * * *", false],
    ["coral", "", "suspended", "true", "false", true],
  ]);
  expect(exitStatusOf(report)).toBe(2);
});

test("after a failed read the drift is what the reads found, from state to found, and one reason stands for a cell", () => {
  const refused = (id: string) =>
    `cell eu-2, database merchant_${id} at 10.0.0.2:5432: connect ECONNREFUSED; is the server running?\n    at connect (net.js:1)`;
  const report = look(
    step("refresh", crontab("acme"), state(clean), state(late)),
    step("refresh", crontab("bluebird"), state(clean), null),
    failing(crontab("coral"), `<{%reset%}>${refused("coral")}<{%reset%}>`),
    failing(crontab("dahlia"), refused("dahlia")),
    [{ diagnosticEvent: { urn: "", severity: "error", message: "preview failed" } }],
    ended("failed"),
  );
  expect(report.drift.map(({ owner, declared, found }) => [owner.name, declared, found])).toEqual([
    ["bluebird", "Crontab bluebird-crontab", undefined],
    ["acme", "0 2 * * *", "5 3 * * *"],
  ]);
  expect(report.unseen).toHaveLength(2);
  expect(report.errors).toEqual([]);
  expect(exitStatusOf(report)).toBe(1);
  const text = renderText(report);
  expect(text).toContain("- cell eu-1, 2 resources of coral, dahlia: cell eu-2, database merchant_coral");
  expect(text).toContain("(2 times)");
  for (const written of [text, renderMarkdown(report)]) expect(written).not.toMatch(/net\.js|<\{%/);
  expect(JSON.parse(renderJson(report))).toMatchObject({ status: "could not look", drift: [{ found: null }, {}] });
});

test("of a preview's failed read there is the message alone, after what the provider wrote to its log", () => {
  const of = urn("Merchant$postgresql:index/role:Role", "acme-owner");
  const begun = { op: "refresh", urn: of, old: state(clean), new: state(clean) };
  const report = look(
    step("refresh", crontab("bluebird"), state(clean), state(late)),
    // A component that is begun and does not end has no error.
    [{ resourcePreEvent: { metadata: { ...begun, urn: urn("Merchant", "acme") } } }],
    [
      { resourcePreEvent: { metadata: begun } },
      { diagnosticEvent: { urn: of, severity: "error", message: "sdk-v2/provider2.go:571: dial tcp: refused" } },
      {
        diagnosticEvent: {
          urn: of,
          severity: "error",
          message: `Preview failed: refreshing ${of}: 1 error occurred:\n\t* error connecting to 10.0.0.2\n\n`,
        },
      },
    ],
    [{ diagnosticEvent: { severity: "error", message: "preview failed" } }],
    ended("failed"),
  );
  expect(report.drift).toMatchObject([{ owner: { name: "bluebird" }, declared: "0 2 * * *", found: "5 3 * * *" }]);
  expect(report.unseen).toMatchObject([{ urn: of, reason: "error connecting to 10.0.0.2" }]);
  expect(report.errors).toEqual([]);
});

test("reasons that differ in the name of a resource alone are one", () => {
  const ids = ["coral", "dahlia"];
  const report = look(
    ...ids.map((id) => failing(crontab(id), `refreshing ${crontab(id)}: 1 error occurred: * connect ECONNREFUSED`)),
    ended("failed"),
  );
  expect(renderText(report)).toContain("ECONNREFUSED (2 times)\n");
});

test("of two long values what differs is shown, wherever in them it is", () => {
  const of = urn("Merchant$pulumi-nodejs:dynamic/merchant-jobs:Migrations", "acme-migrations");
  const side = (differs: object) => ({ type: "x", inputs: { differs } });
  const shown = (before: string, after: string) => {
    const found = side({ "rights on table app.lots": `${before} => ${after}` });
    const report = look(step("update", of, found, side({})), ended("succeeded"));
    const [, cell = ""] = /\| `([^|`]*)` \|\n/.exec(renderMarkdown(report)) ?? [];
    expect(renderText(report)).toContain(`  ${cell}\n`);
    return cell;
  };
  const rights = Array.from({ length: 20 }, (_, i) => `merchant_acme_owner:RIGHT_${i}`);
  const [first = "", ...rest] = rights;
  const all = `grants: ${rights.join(" ")}`;
  expect(shown(all, `${all} public:SELECT`)).toBe("… => … public:SELECT");
  expect(shown(`${all} public:SELECT`, all)).toBe("… public:SELECT => …");
  expect(shown(all, `grants: ${first} public:SELECT ${rest.join(" ")}`)).toBe("… => … public:SELECT …");
  expect(shown(`${all} a:SELECT`, `${all} b:SELECT`)).toBe("… a:SELECT => … b:SELECT");
  expect(shown("grants: a:SELECT", "grants: b:SELECT")).toBe("grants: a:SELECT => grants: b:SELECT");
});

test("nothing different is clean; a run that broke off, or a program that refused, could not look", () => {
  const same = step("refresh", crontab("acme"), state(clean), state(clean));
  const done = look(same, step("same", crontab("acme"), state(clean), state(clean)), ended("succeeded"));
  expect(done).toMatchObject({ drift: [], unseen: [], errors: [], merchants: 1 });
  expect(exitStatusOf(done)).toBe(0);
  expect(exitStatusOf(look(same))).toBe(1);
  const refused = look(
    same,
    [{ diagnosticEvent: { severity: "error", message: "merchants.acme: put it back" } }],
    ended("failed"),
  );
  expect(refused.errors).toEqual(["merchants.acme: put it back"]);
});

test.each([
  [
    "CellProbe of a cell",
    urn("Cell$pulumi-nodejs:dynamic/merchant-jobs:CellProbe", "eu-1-probe"),
    { finds: {} },
    { finds: { launcher: "does not run" } },
    "cell",
  ],
  [
    "a routine",
    urn("Merchant$pulumi-nodejs:dynamic/merchant-jobs:Migrations", "a-migrations"),
    { differs: {} },
    { differs: { "routine app.x()": "gone" } },
    "ledger",
  ],
  [
    "another command",
    crontab("a"),
    { jobs: clean },
    { jobs: { lot_expiry: { ...job, command: "CALL x()" } } },
    "ledger",
  ],
  ["an extra job", crontab("a"), { jobs: clean }, { jobs: { ...clean, "#7": job } }, "ledger"],
  ["a lost job", crontab("a"), { jobs: clean }, { jobs: {} }, "schedule"],
  ["a paused job", crontab("a"), { jobs: clean }, { jobs: { lot_expiry: { ...job, active: false } } }, "schedule"],
  ["a batch size", crontab("a"), { jobs: clean }, { jobs: { lot_expiry: { ...job, batchSize: 11 } } }, "attribute"],
  [
    "an owner",
    urn("Merchant$postgresql:index/database:Database", "a-database"),
    { owner: "a" },
    { owner: "b" },
    "ledger",
  ],
  [
    "a limit",
    urn("Merchant$postgresql:index/database:Database", "a-database"),
    { connectionLimit: 1 },
    { connectionLimit: 2 },
    "attribute",
  ],
])("%s is graded, and is one difference", (_what, of, declared, found, severity) => {
  const side = (inputs: object) => ({ type: "x", inputs });
  const report = look(step("update", of, side(found), side(declared)), ended("succeeded"));
  expect(report.drift.map((one) => one.severity)).toEqual([severity]);
});

test("the difference of an input that nobody has set is taken from what the provider says", () => {
  const of = urn("Merchant$postgresql:index/role:Role", "a-owner");
  const old = { type: "x", inputs: { name: "a" }, outputs: { name: "a", createRole: true } };
  const metadata = {
    op: "update",
    urn: of,
    old,
    new: { type: "x", inputs: { name: "a" } },
    detailedDiff: { createRole: { diffKind: "delete" } },
  };
  expect(look([{ resOutputsEvent: { metadata } }], ended("succeeded")).drift).toMatchObject([
    { severity: "ledger", property: "createRole", declared: undefined, found: "true" },
  ]);
});

test("what no up does is said whole, with the statement that does it, in the terminal and in the issue", () => {
  const owner = urn("Merchant$postgresql:index/role:Role", "acme-owner");
  const role = { type: "x", inputs: { name: 'merchant_"acme"_owner' }, outputs: { superuser: true } };
  // A preview carries along what was found of an attribute that nobody declares.
  const attribute = {
    op: "update",
    urn: owner,
    old: role,
    new: role,
    detailedDiff: { superuser: { diffKind: "delete" } },
  };
  const probe = urn("Cell$pulumi-nodejs:dynamic/merchant-jobs:CellProbe", "home-probe");
  const finds = { "role lost": `is gone: ${"pg_cron dies, ".repeat(20)}create role "lost" login;` };
  const side = (found: object) => ({ type: "x", inputs: { cell: "home", finds: found } });
  const report = look(
    [{ resOutputsEvent: { metadata: attribute } }],
    step("update", probe, side(finds), side({})),
    step("update", crontab("coral"), state(late), state(clean)),
    ended("succeeded"),
  );
  expect(report.drift).toMatchObject([
    { property: "", object: "role lost" },
    { property: "superuser", declared: undefined, found: "true" },
    { property: "schedule", repair: undefined },
  ]);
  const byHand = [
    `- cell home, role lost: ${finds["role lost"]}`,
    '- acme, Role superuser: up may not take that away; a superuser can: alter role "merchant_""acme""_owner" nosuperuser;',
  ];
  expect(renderText(report)).toContain(`\nBy hand:\n${byHand.join("\n")}\n`);
  for (const line of byHand) expect(renderMarkdown(report)).toContain(line.replace(/^- (.*)$/, "- `$1`"));
  const healed = look(step("update", crontab("coral"), state(late), state(clean)), ended("succeeded"));
  expect(renderText(healed) + renderMarkdown(healed)).not.toContain("By hand");
});

test("a time with a unit among an owner role's settings is taken away by hand, for no refresh gets past it", () => {
  const of = urn("Merchant$pulumi-nodejs:dynamic/merchant-jobs:Migrations", "acme-migrations");
  const side = (differs: object) => ({ type: "x", inputs: { differs } });
  const settings = "idle_in_transaction_session_timeout=1min\nstatement_timeout=5s\nwork_mem=1GB";
  const repairs = (role: string, found: string) =>
    look(
      step("refresh", of, side({}), side({ [`settings everywhere of role ${role}`]: `nothing => ${found}` })),
      ended("failed"),
    ).drift.map(({ repair }) => repair);
  expect(repairs("merchant_acme_owner", settings)).toEqual([
    "no up --refresh gets past a time with a unit, which the PostgreSQL provider cannot read: " +
      'alter role "merchant_acme_owner" reset idle_in_transaction_session_timeout; ' +
      'alter role "merchant_acme_owner" reset statement_timeout;',
  ]);
  for (const other of ["statement_timeout=5000", "work_mem=1GB", "lock_timeout=5s"])
    expect(repairs("merchant_acme_owner", other)).toEqual([undefined]);
  // The other roles are ours to read.
  expect(repairs("merchant_acme_app", settings)).toEqual([undefined]);
});

test("the CLI's one object is read too, lines of the program's own are passed over, and nothing is said to be nothing", () => {
  const digest = {
    steps: [{ op: "update", urn: crontab("acme"), oldState: state(late), newState: state(clean) }],
    changeSummary: { update: 1 },
  };
  expect(driftOf("prod", parseEngineOutput(JSON.stringify(digest, null, 4))).drift).toHaveLength(1);
  const noisy = ["Compiling…", "{not json", ...ended("succeeded").map((event) => JSON.stringify(event))].join("\n");
  expect(parseEngineOutput(noisy)).toMatchObject({ steps: [], succeeded: true });
  for (const text of ["", "error: no stack", "{}"]) expect(() => parseEngineOutput(text)).toThrow(EventsError);
});
