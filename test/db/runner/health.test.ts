// Troubles that are planted on a real server, and what health, metrics, page and status say of them.
import { spawnSync } from "node:child_process";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createMetrics } from "../../../runner/http/metrics.ts";
import { createServer } from "../../../runner/http/server.ts";
import { lookOnce, renderStatus } from "../../../runner/status.ts";
import { steadyNow } from "../../../runner/steady-clock.ts";
import { errorOf, JobsDatabase } from "../../jobs/database.ts";
import { makeTestJobs } from "../../jobs/test-jobs.ts";
import { onboard, prepareCell, specOf, sqlRoot, testCell } from "../../merchants.ts";
import { makeProject } from "../../project.ts";
import { letRunnerIn, runnerConfig, startTestFleet, type TestFleet } from "../../runner/kit.ts";
import { freePort } from "../../runner/port.ts";
import { type OwnServer, startOwnServer, superuserClient, waitFor } from "../../server.ts";

let own: OwnServer;
let fleet: TestFleet;
const databases = new Map<string, JobsDatabase>();
const metrics = createMetrics();

/** What is done to each merchant, which is called after it; gives the job that it is about. */
const PLANTED: Readonly<Record<string, (db: JobsDatabase) => Promise<void>>> = {
  well: () => Promise.resolve(),
  failing: async (db) => {
    await makeTestJobs(db);
    await errorOf(db.rows("call app.run_job('failing')"));
  },
  overdue: async (db) => {
    // Its catch-up would mend it at the next quarter of an hour, in the middle of this test.
    await inCron("update cron.job set schedule = '0 0 1 1 *' where database = 'merchant_overdue'");
    await db.rows("update app.jobs set due_from = now() - interval '3 days' where name = 'lot_expiry'");
  },
  behind: async (db) => {
    await db.rows(
      `create function app.slow_batch(p_now timestamptz, p_limit bigint, p_cursor jsonb, p_items text[], p_settings jsonb)
       returns app.batch_result language sql as $$
         select (array['1'], to_jsonb(coalesce(p_cursor::int, 0) + 1), false, 1)::app.batch_result
         from pg_sleep(case when p_items is null then 0 else 1.1 end) $$`,
    );
    await db.rows(
      `insert into app.jobs (name, batch_function, batch_size, time_limit_seconds) values ('slow', 'app.slow_batch', 1, 1)`,
    );
    await db.rows("call app.run_job('slow')");
  },
  quarantine: async (db) => {
    await makeTestJobs(db);
    await db.rows("call app.run_job('poisoned')");
  },
  abandoned: async (db) => {
    await makeTestJobs(db);
    const session = await db.session();
    const call = errorOf(session.client.query("call app.run_job('terminated')"));
    await waitFor(async () => (await db.runs("terminated")).some(({ batches }) => batches === 1), { what: "it runs" });
    await db.rows("select pg_terminate_backend($1)", [session.pid]);
    await call;
    await db.untilGone(session);
  },
  suspended: () => Promise.resolve(),
  disabled: async (db) => {
    await db.rows(
      "update app.jobs set due_from = now() - interval '3 days', enabled = false where name = 'lot_expiry'",
    );
  },
  away: () => Promise.resolve(),
};
const LINES: Readonly<Record<string, object>> = { suspended: { suspended: true } };

/** What must be found, and nothing else. */
const EXPECTED = [
  { kind: "overdue", severe: true, merchant: "overdue", job: "lot_expiry" },
  { kind: "abandoned", severe: false, merchant: "abandoned", job: "terminated" },
  { kind: "behind", severe: false, merchant: "behind", job: "slow" },
  { kind: "failing", severe: false, merchant: "failing", job: "failing" },
  { kind: "quarantined", severe: false, merchant: "quarantine", job: "poisoned" },
];

async function inCron(sql: string): Promise<void> {
  const client = await superuserClient("cron", own.server);
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

beforeAll(async () => {
  own = await startOwnServer({ settings: { max_connections: "150" } });
  await prepareCell(testCell(own.server));
  await letRunnerIn(own.server);
  for (const [merchant, plant] of Object.entries(PLANTED)) {
    const spec = specOf(merchant, LINES[merchant] ?? {});
    await onboard(spec, sqlRoot, own.server);
    const db = await JobsDatabase.open(spec.database, own.server);
    databases.set(merchant, db);
    await plant(db);
  }
  fleet = startTestFleet(runnerConfig(own.server, { rescue: false }));
  await waitFor(
    () => {
      const merchants = [...(fleet.knowledge.cells.get("home")?.merchants.values() ?? [])];
      return merchants.length === Object.keys(PLANTED).length && merchants.every(({ seenAt }) => seenAt !== undefined);
    },
    { what: "every merchant was visited" },
  );
});
afterAll(async () => {
  await fleet.stop();
  for (const db of databases.values()) await db.close();
  await own.remove();
});

async function get(url: string, of = fleet) {
  const app = createServer({
    knowledge: of.knowledge,
    metrics,
    listen: { host: "127.0.0.1", port: 0 },
    token: undefined,
  });
  const answer = await app.inject(url);
  await app.close();
  return { code: answer.statusCode, body: answer.body };
}

interface Health {
  readonly status: string;
  readonly answer: string;
  readonly troubles: readonly {
    kind: string;
    severe: boolean;
    merchant?: string;
    job?: string;
    since: string | null;
  }[];
}

async function health(query = "", of = fleet): Promise<Health & { readonly code: number }> {
  const { code, body } = await get(`/health${query}`, of);
  return { code, ...(JSON.parse(body) as Health) };
}

function sorted<T extends object>(found: readonly T[]): readonly T[] {
  return found.toSorted((one, other) => (JSON.stringify(one) < JSON.stringify(other) ? -1 : 1));
}

describe("troubles that are planted", () => {
  test("/health names each, since when, and nothing else", async () => {
    const { code, status, troubles } = await health();
    expect([code, status]).toEqual([503, "failed"]);
    expect(sorted(troubles.map(({ kind, severe, merchant, job }) => ({ kind, severe, merchant, job })))).toEqual(
      sorted(EXPECTED),
    );
    const two = new Date();
    two.setUTCHours(2, 0, 0, 0);
    // lot_expiry is due at 02:00, and has five minutes to start.
    if (two.getTime() > Date.now() - 300_000) two.setUTCDate(two.getUTCDate() - 1);
    for (const { kind, since } of troubles) {
      if (kind === "overdue") expect(since).toBe(two.toISOString());
      else expect(Date.now() - Date.parse(since ?? ""), kind).toBeLessThan(300_000);
    }
  });

  test.for([
    ["well", 200, "ok"],
    ["failing", 200, "trouble"],
    ["overdue", 503, "failed"],
    ["behind", 200, "trouble"],
    ["quarantine", 200, "trouble"],
    ["abandoned", 200, "trouble"],
    ["suspended", 200, "ok"],
    ["disabled", 200, "ok"],
  ] as const)("/health of %s is %i, %s", async ([merchant, code, status]) => {
    expect(await health(`?merchant=${merchant}`)).toMatchObject({ code, status });
  });

  test("/health of what is not there is 404", async () => {
    expect((await get("/health?merchant=nobody")).code).toBe(404);
    expect((await get("/health?cell=nowhere")).code).toBe(404);
  });

  test("/metrics counts them", async () => {
    const { code, body } = await get("/metrics");
    expect(code).toBe(200);
    for (const kind of ["overdue", "abandoned", "behind", "failing", "quarantined"]) {
      expect(body).toContain(`merchant_jobs_troubles{cell="home",kind="${kind}"} 1`);
    }
    expect(body).toContain('merchant_jobs_severe_troubles{cell="home"} 1');
    expect(body).toContain('merchant_jobs_failures_in_row{cell="home",merchant="failing",job="failing"} 1');
    expect(body).toContain('merchant_jobs_quarantined_items{cell="home",merchant="quarantine",job="poisoned"} 1');
    expect(body).toMatch(/merchant_jobs_overdue_seconds\{cell="home",merchant="overdue",job="lot_expiry"\} \d+/);
    expect(body).toContain('merchant_jobs_launcher_up{cell="home"} 1');
    expect(body).not.toContain('kind="away"');
  });

  test("the page says them in words, the worst first, and a merchant's own page says its own", async () => {
    const { code, body } = await get("/");
    expect(code).toBe(503);
    expect(body).toMatch(
      /<h1 class="failed">\s*lot_expiry of overdue is overdue, since .* and 4 more troubles\.\s*<\/h1>/,
    );
    for (const words of ["failing failed", "slow of behind is behind", "in quarantine", "abandoned in the middle"]) {
      expect(body).toContain(words);
    }
    const one = await get("/?cell=home&merchant=failing");
    expect(one.code).toBe(200);
    expect(one.body).toContain("the disk is full");
    expect(one.body).not.toContain("quarantine");
    expect((await get("/?merchant=well")).body).toContain("Every job of well ran on time.");
    expect((await get("/?merchant=suspended")).body).toContain("is suspended: its jobs rest");
    expect((await get("/?merchant=nobody")).code).toBe(404);
  });

  test("status says the same in a terminal, from one look", async () => {
    const { text, failed } = renderStatus(await lookOnce([testCell(own.server)]), steadyNow());
    expect(failed).toBe(true);
    const lines = text.split("\n").filter((line) => /^ +!/.test(line));
    expect(lines).toHaveLength(EXPECTED.length);
    expect(lines[0]).toMatch(/!! lot_expiry of overdue is overdue, since \d{4}-\d\d-\d\d 02:00 GMT \(/);
    expect(text).toContain("in merchant_overdue: call app.run_job('lot_expiry')");
  });

  test("npm run status does so for the cells of a stack, and its exit status says that something did not run", async () => {
    const project = await makeProject({ merchants: {}, server: own.server });
    try {
      const program = path.join(import.meta.dirname, "..", "..", "..", "local", "status.ts");
      const { status, stdout, stderr } = spawnSync(process.execPath, [program, "--stack", "test"], {
        cwd: project.folder,
        env: project.env,
        encoding: "utf8",
      });
      expect([status, stderr]).toEqual([1, ""]);
      expect(stdout).toMatch(/^lot_expiry of overdue is overdue, since .*; and 4 more troubles\.\n/);
    } finally {
      project.remove();
    }
  });
});

describe("what cannot be reached", () => {
  test("a merchant's database that is away is one trouble, which is severe when it lasts, and none when it is back", async () => {
    await inCron("alter database merchant_away with allow_connections false");
    await inCron("select pg_terminate_backend(pid) from pg_stat_activity where datname = 'merchant_away'");
    const query = "?merchant=away";
    await waitFor(async () => (await health(query)).troubles.length > 0, { what: "it is seen to be away" });
    expect((await health(query)).troubles).toMatchObject([{ kind: "away", merchant: "away" }]);
    const lasting = await waitFor(
      async () => {
        const found = await health(query);
        return found.code === 503 ? found : undefined;
      },
      { what: "it has been away for too long" },
    );
    expect(lasting.troubles).toMatchObject([{ kind: "away", severe: true }]);
    // The others were visited all the same.
    expect(await health("?merchant=well")).toMatchObject({ code: 200, status: "ok" });
    await inCron("alter database merchant_away with allow_connections true");
    await waitFor(async () => (await health(query)).status === "ok", { what: "it is back" });
  });

  test("a cell that is away costs only its own, and is severe when it lasts", async () => {
    const config = runnerConfig(own.server, { rescue: false });
    const gone = { ...runnerConfig({ host: "127.0.0.1", port: await freePort() }).cells["home"]! };
    const both = startTestFleet({ ...config, cells: { ...config.cells, gone } });
    try {
      await waitFor(async () => (await health("?cell=gone", both)).troubles[0]?.severe, {
        what: "it is away for too long",
      });
      expect(await health("?cell=gone", both)).toMatchObject({ code: 503, troubles: [{ kind: "away", severe: true }] });
      await waitFor(async () => (await get("/health?merchant=well", both)).code === 200, {
        what: "the other is served",
      });
    } finally {
      await both.stop();
    }
  });

  test("a wrong password is a trouble that names the credential and does not show it", async () => {
    const wrong = startTestFleet(runnerConfig(own.server), "not-the-password");
    try {
      const found = await waitFor(async () => (await health("", wrong)).troubles[0] && health("", wrong), {
        what: "trouble",
      });
      expect(found.answer).toContain("check the cell's credential");
      expect(JSON.stringify([found, wrong.lines])).not.toContain("not-the-password");
    } finally {
      await wrong.stop();
    }
  });
});

test("a launcher that is gone is a trouble, its merchants are rescued, and all is well when it is back", async () => {
  const rescuer = startTestFleet(runnerConfig(own.server));
  try {
    const overdue = databases.get("overdue")!;
    await waitFor(async () => (await overdue.runs()).some(({ scheduler }) => scheduler === "runner"), {
      what: "what is overdue was done by the runner",
    });
    await inCron("create role lost login");
    await inCron(
      "insert into cron.job (schedule, command, database, username) values ('0 0 1 1 *', 'x', 'cron', 'lost')",
    );
    await inCron("drop role lost");
    await inCron("select cron.schedule('touch', '0 0 1 1 *', 'select 1')");
    const kinds = async (of: TestFleet) => (await health("", of)).troubles.map(({ kind }) => kind);
    await waitFor(async () => (await kinds(rescuer)).includes("launcher_gone"), { what: "the launcher is gone" });
    await databases
      .get("well")!
      .rows("update app.jobs set due_from = now() - interval '3 days' where name = 'lot_expiry'");
    await waitFor(async () => (await databases.get("well")!.runs()).some(({ status }) => status === "succeeded"), {
      what: "a merchant of it is rescued",
    });
    await inCron("create role lost login");
    await inCron("select cron.unschedule(jobid) from cron.job where username = 'lost' or jobname = 'touch'");
    await inCron("drop role lost");
    await waitFor(async () => !(await kinds(rescuer)).includes("launcher_gone"), { what: "the launcher is back" });
    await waitFor(async () => !(await kinds(rescuer)).includes("overdue"), { what: "nothing is overdue" });
    expect(rescuer.knowledge.cells.get("home")?.launcherGoneSince).toBeUndefined();
  } finally {
    await rescuer.stop();
  }
});
