// Five incidents on a real server, each gone through as docs/runbook/troubles.md says: what the terminal and /health say, the
// statements of the page as they stand there, run as the administrator, and that the trouble ends. What was seen is written down
// in docs/runbook/rehearsed.md.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { applyCrontab } from "../../converge/crontab.ts";
import { applyMigrations } from "../../converge/migrations.ts";
import { findCluster, installationOf } from "../../local/postgres/cluster.ts";
import { serverAccount } from "../../local/postgres/account.ts";
import { launchPostmaster, stopPostmaster } from "../../local/postgres/postmaster.ts";
import { anchorOf, RUNBOOK } from "../../runner/runbook.ts";
import { lookOnce, renderStatus } from "../../runner/status.ts";
import { steadyNow } from "../../runner/steady-clock.ts";
import { blocksOf } from "../docs.ts";
import { errorOf, JobsDatabase } from "../jobs/database.ts";
import { filesOf, onboard, prepareCell, specOf, sqlRoot, targetsOf, testCell } from "../merchants.ts";
import { letRunnerIn, runnerConfig, startTestFleet, type TestFleet } from "../runner/kit.ts";
import { stopLauncher } from "../runner/planted.ts";
import { askFleet, healthOf, type SaidTrouble } from "../runner/surfaces.ts";
import { adminClient, type OwnServer, startOwnServer, superuserClient, waitFor } from "../server.ts";

const PAGE = path.basename(RUNBOOK);
/** The page speaks of this merchant. */
const acme = specOf("acme", { jobs: { ops_cleanup: { schedule: "* * * * *" } } });
const bluebird = specOf("bluebird");
let own: OwnServer;
let fleet: TestFleet;
const ask: ReturnType<typeof askFleet> = (url) => askFleet(fleet.knowledge)(url);

beforeAll(async () => {
  own = await startOwnServer({ settings: {} });
  await prepareCell(testCell(own.server));
  await letRunnerIn(own.server);
  for (const spec of [acme, bluebird]) await onboard(spec, sqlRoot, own.server);
  // It looks and helps nobody: what ends a trouble is what the page says.
  fleet = startTestFleet(runnerConfig(own.server, { rescue: false }));
  await untilWell();
});
afterAll(async () => {
  await fleet.stop();
  await own.remove();
});
afterEach(untilWell);

/** `npm run status` has nothing to say, nor has /health. */
async function untilWell(): Promise<void> {
  const ended = { what: "the trouble to end", timeoutMs: 60_000 };
  await waitFor(async () => (await healthOf(ask)).status === "ok", ended);
  await waitFor(async () => (await status()).startsWith("All "), ended);
}

/** What `npm run status` prints. */
async function status(): Promise<string> {
  return renderStatus(await lookOnce([testCell(own.server)]), steadyNow()).text;
}

/**
 * Waits until the terminal and /health name a trouble, with its entry of the runbook, holds rehearsed.md to what the terminal
 * says of it, and gives all that the terminal says.
 */
async function untilNamed(mark: string, words: string, heading: string, code: 200 | 503): Promise<string> {
  const entry = `${RUNBOOK}#${anchorOf(heading)}`;
  const isIt = ({ text, runbook }: SaidTrouble) => text.includes(words) && runbook === entry;
  await waitFor(
    async () => {
      const health = await healthOf(ask);
      return health.code === code && health.troubles.some(isIt);
    },
    { what: `/health says ${code}: ${words}`, timeoutMs: 60_000 },
  );
  const text = await status();
  expect(text).toContain(words);
  expect(text).toContain(entry);
  expectWritten(mark, text, words);
  return text;
}

const REHEARSED = path.join(import.meta.dirname, "..", "..", "docs", "runbook", "rehearsed.md");

/** A block of rehearsed.md is the three lines of a trouble, but for times and ports. UPDATE_REHEARSED=1 writes it anew. */
function expectWritten(mark: string, text: string, words: string): void {
  const lines = text.split("\n");
  const first = lines.findIndex((line) => /^ +!/.test(line) && line.includes(words));
  const said = lines
    .slice(first, first + 3)
    .join("\n")
    .replace(/\d{4}-\d\d-\d\d \d\d:\d\d GMT \([^)]*\)/, "2026-11-26 02:00 GMT (7 min)")
    .replaceAll(String(own.server.port), "5432");
  if (process.env["UPDATE_REHEARSED"] === "1") {
    const page = readFileSync(REHEARSED, "utf8");
    const block = new RegExp("(^```text " + mark + "\\n)[^`]*?(^```$)", "m");
    writeFileSync(
      REHEARSED,
      page.replace(block, (_, before: string, after: string) => `${before}${said}\n${after}`),
    );
  }
  expect(blocksOf(path.join("runbook", "rehearsed.md"), mark)).toEqual([`${said}\n`]);
}

type Rows = Record<string, unknown>[];

/** Runs a block of the page as it stands there, as the administrator, and gives its rows. */
async function follow(mark: string, database = acme.database): Promise<Rows> {
  const [block, ...others] = blocksOf(path.join("runbook", PAGE), mark);
  if (block === undefined || others.length > 0) throw new Error(`the runbook has not one block ${mark}`);
  return run(block, database);
}

/** Statement after statement, as psql sends them: a procedure that commits, or a vacuum, must be alone. */
async function run(sql: string, database: string): Promise<Rows> {
  const admin = await adminClient(database, own.server);
  let rows: Rows = [];
  try {
    for (const statement of sql.split(/;\s*$/m)) {
      if (statement.trim() !== "") ({ rows } = await admin.query<Record<string, unknown>>(statement));
    }
    return rows;
  } finally {
    await admin.end();
  }
}

/** What nobody should do, as the superuser. */
async function spoil(sql: string, database = acme.database): Promise<void> {
  const client = await superuserClient(database, own.server);
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

/** `npm run pulumi -- up --refresh`, of one merchant. */
async function up(spec = acme): Promise<void> {
  const { migrations, crontab } = targetsOf(spec, testCell(own.server));
  await applyMigrations(migrations, filesOf(migrations));
  await applyCrontab(crontab);
}

/** As if the last due time of lot_expiry had been missed. */
const MISS = `delete from app.job_runs as r using app.jobs as j where j.job_id = r.job_id and j.name = 'lot_expiry';
  update app.jobs set due_from = now() - interval '3 days' where name = 'lot_expiry'`;

test("the launcher is gone: a role was dropped while it owned a job", async () => {
  await stopLauncher({ inCron: (sql) => spoil(sql, "cron") });
  const words = "the launcher of pg_cron does not run in cell home";
  await untilNamed("launcher", words, "The launcher of pg_cron does not run", 200);
  const found = await follow("launcher-look", "cron");
  expect(found).toMatchObject([{ role: "lost", jobs: "x in cron" }]);
  await run(String(found[0]!["repair"]).replaceAll("; ", ";\n"), "cron");
  await waitFor(async () => (await follow("launcher-over", "cron"))[0]?.["launchers"] === "1", {
    what: "the launcher is back",
  });
  expect(await follow("launcher-look", "cron")).toEqual([]);
});

test("one job of one merchant fails: somebody dropped a function that it needs", async () => {
  await spoil("drop function app.expire_lots_batch");
  await errorOf(follow("failed-do"));
  const words = "lot_expiry of acme failed: function app.expire_lots_batch";
  const said = await untilNamed("failing", words, "A job failed", 200);
  expect(said).not.toContain("bluebird");
  expect(await follow("failed-look")).toMatchObject([{ status: "failed", error_sqlstate: "42883" }]);
  await up();
  await follow("failed-do");
  expect(await follow("failed-look")).toMatchObject([{ status: "succeeded" }, { status: "failed" }]);
});

test("a cell is down, and comes back with a due time missed", async () => {
  const cluster = (await findCluster(own.folder))!;
  const { binFolder } = await installationOf(cluster, undefined);
  await spoil(MISS);
  await stopPostmaster(cluster, "fast");
  const said = await untilNamed("down", "cell home cannot be looked at: ", "A cell cannot be looked at", 503);
  expect(said).toContain("ECONNREFUSED");
  expect(said).toContain("is the server running, and is this its address?");
  const as = await serverAccount(cluster.dataFolder);
  await launchPostmaster(path.join(binFolder, "postgres"), cluster, { as, logFile: cluster.logFile });
  await untilNamed("overdue", "lot_expiry of acme is overdue", "A job is overdue", 503);
  expect(await follow("overdue-look-cron", "cron")).toHaveLength(Object.keys(acme.jobs).length);
  expect(await follow("overdue-over")).toMatchObject([{ job: "lot_expiry", failures_in_row: "0" }]);
  await follow("overdue-do");
  expect(await follow("overdue-over")).toEqual([]);
});

test("the history is full: app.job_runs cannot take a row any more", async () => {
  const db = await JobsDatabase.open(acme.database, own.server);
  await spoil(MISS);
  await fillHistory(db);
  const cluster = (await findCluster(own.folder))!;
  const postmaster = readFileSync(path.join(cluster.dataFolder, "postmaster.pid"), "utf8").split("\n")[0]!;
  const as = await serverAccount(cluster.dataFolder);
  // Of new sessions: each is a child of the postmaster's.
  const limitFiles = (bytes: string) =>
    execFileSync("prlimit", ["--pid", postmaster, `--fsize=${bytes}:`], { ...(as && { uid: as.uid, gid: as.gid }) });
  const [size] = await db.rows<{ bytes: string }>("select pg_relation_size('app.job_runs')::text as bytes");
  await db.close();
  try {
    // Half a page more than it has: to the server that is a full disk, and only for this table.
    limitFiles(String(Number(size!.bytes) + 4096));
    await fillLastPage();
    const said = await untilNamed("full", "lot_expiry of acme is overdue", "A job is overdue", 503);
    expect(said).toContain("call app.run_job('lot_expiry')");
    // Not even the row of a failed run is there: pg_cron's own record has the error, and whoever runs the job by hand gets it.
    await waitFor(
      async () =>
        (await follow("overdue-look-cron", "cron")).some(({ return_message: message }) =>
          /job ops_cleanup (?:did not start|failed in run \d+): could not extend file/.test(String(message)),
        ),
      { what: "pg_cron's next minute", timeoutMs: 120_000 },
    );
    expect(await errorOf(follow("overdue-do"))).toMatchObject({
      message: expect.stringMatching(/job lot_expiry (?:did not start|failed in run \d+): could not extend/) as string,
    });
    expect(await follow("full-look")).toMatchObject([{ what: "app.job_runs" }, {}, {}, {}, {}, {}, {}, {}, {}, {}]);
    await follow("full-do");
    // A look that is under way may hold a vacuum up: the page says to run it again.
    await waitFor(
      async () => {
        await follow("full-vacuum");
        return (await errorOf(follow("overdue-do"))) === undefined;
      },
      { what: "there is room", timeoutMs: 60_000 },
    );
    expect(await follow("overdue-over")).toEqual([]);
  } finally {
    limitFiles("unlimited");
  }
});

/** Years of runs. */
async function fillHistory(db: JobsDatabase): Promise<void> {
  // The limit is on every file of the server, and a segment of the WAL has 16 MB.
  await db.rows(
    `insert into app.job_runs (job_id, scheduler, status, started_at, finished_at, affected_rows, batches)
     select j.job_id, 'pg_cron', 'succeeded', t, t, 0, 1
     from app.jobs as j, generate_series(now() - interval '900 days', now() - interval '40 days', '5 minutes') as t
     where j.name = 'ops_cleanup'`,
  );
  // What is free in it is known, and so is filled too: nothing finds room later.
  await db.rows("vacuum app.job_runs");
}

/** Until the server says that its disk is full. */
async function fillLastPage(): Promise<void> {
  const db = await JobsDatabase.open(acme.database, own.server);
  // No row that a run begins with is shorter.
  const row = `insert into app.job_runs (job_id, scheduler, status, started_at, finished_at)
    select job_id, 'manual', 'skipped', now() - interval '40 days', now() - interval '40 days' from app.jobs
    where name = 'ops_cleanup'`;
  let error: Awaited<ReturnType<typeof errorOf>>;
  for (let rows = 0; error === undefined && rows < 1000; rows += 1) error = await errorOf(db.rows(row));
  expect(error).toMatchObject({ code: "53100" });
  await db.close();
}

test("a merchant's clocks change: another time zone in the stack file, and then one that the server does not know", async () => {
  const moved = specOf("bluebird", { timezone: "America/New_York" });
  const localTime = async () =>
    (
      await run(
        `select to_char(app.last_due('lot_expiry', now()) at time zone 'America/New_York', 'HH24:MI') as due`,
        bluebird.database,
      )
    )[0]?.["due"];
  await up(moved);
  // 02:00 there, and what was due by the old clocks only is not missed.
  expect(await localTime()).toBe("02:00");
  await untilWell();

  await spoil("update app.jobs set timezone = 'Mars/Olympus' where name = 'lot_expiry'", bluebird.database);
  const words = "lot_expiry of bluebird has a time zone that is not known to the server: Mars/Olympus";
  await untilNamed("zone", words, "A job has a time zone that is not known", 503);
  const known = await follow("zone-look", bluebird.database);
  expect(known.filter((row) => row["known"] === false)).toEqual([
    { name: "lot_expiry", timezone: "Mars/Olympus", known: false },
  ]);
  await follow("zone-do", bluebird.database);
  await run("call app.run_overdue()", bluebird.database);
  await up(moved);
  expect((await follow("zone-look", bluebird.database)).every((row) => row["known"] === true)).toBe(true);
});
