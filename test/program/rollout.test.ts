// Waves and pauses on the engine that the tests are run with. Each test goes on where the one before it ended.
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Outcome, makeProject, type Project } from "../project.ts";
import { dropMerchantLeftovers, freshName, superuserClient } from "../server.ts";

const prefix = freshName("wave");
const [a, b, c, d, e] = ["a", "b", "c", "d", "e"].map((letter) => `${prefix}_${letter}`) as [
  string,
  string,
  string,
  string,
  string,
];
const rollout = { waves: [[a], [b, c], "rest"] };
const merchants = { [a]: {}, [b]: {}, [c]: {}, [d]: {}, [e]: { suspended: true } };
const few = { connectionLimit: 7 };
const limited = { ...merchants, [b]: few, [c]: few, [d]: few };
const BATCHED = ["history_cleanup", "idempotency_cleanup", "lot_expiry", "ops_cleanup"];
let project: Project;

beforeAll(async () => {
  project = await makeProject({ merchants: {} });
  project.setMerchants(merchants, { rollout });
});
afterAll(async () => {
  project.remove();
  await dropMerchantLeftovers(`merchant_${prefix}`);
});

const up = () => project.pulumi("up", "--yes", "--skip-preview");

async function ask<T>(database: string, sql: string, values: readonly unknown[] = []): Promise<T[]> {
  const client = await superuserClient(database);
  try {
    return (await client.query(sql, [...values])).rows as T[];
  } finally {
    await client.end();
  }
}

/** How often each job of a merchant was run by hand, which is by a gate. */
async function runs(id: string): Promise<Record<string, number>> {
  const rows = await ask<{ name: string; n: number }>(
    `merchant_${id}`,
    "select j.name, count(*)::int as n from app.job_runs as r join app.jobs as j using (job_id) where r.scheduler = 'manual' group by 1",
  );
  return Object.fromEntries(rows.map(({ name, n }) => [name, n]));
}

const each = (n: number) => Object.fromEntries(BATCHED.map((job) => [job, n]));
const ok = ({ status, out, err }: Outcome) => {
  expect(status, err + out).toBe(0);
};

test("wave after wave is made, and has run its jobs before the next one begins", async () => {
  ok(await up());
  const spans: { first: Date; last: Date | null }[] = [];
  for (const id of [a, b, c, d]) {
    expect(await runs(id)).toEqual(each(1));
    spans.push(
      ...(await ask<(typeof spans)[number]>(
        `merchant_${id}`,
        `select (select min(applied_at) from merchant_jobs.applied_files) as first,
           (select max(finished_at) from app.job_runs where scheduler = 'manual') as last`,
      )),
    );
  }
  const [first, second, third, rest] = spans.map(({ first: from, last }) => [from.getTime(), last!.getTime()] as const);
  expect(first![1]).toBeLessThan(Math.min(second![0], third![0]));
  expect(Math.max(second![1], third![1])).toBeLessThan(rest![0]);
  expect(await runs(e)).toEqual({});
});

test("each resource depends on a few others, and a wave on the gate before it alone", async () => {
  const { resources } = await project.state();
  const nameOf = (urn: string) => urn.split("::").at(-1)!;
  const dependencies = new Map(
    resources.map(({ urn, dependencies: on = [] }) => [nameOf(urn), on.map(nameOf).sort()] as const),
  );
  expect(dependencies.get("wave-1")).toEqual(["home-probe", `${a}-crontab`]);
  expect(dependencies.get("wave-2")).toEqual([`${b}-crontab`, `${c}-crontab`]);
  expect(dependencies.get("wave-3")).toEqual([`${d}-crontab`, `${e}-crontab`]);
  expect([a, b, c, d, e].map((id) => dependencies.get(`${id}-owner`))).toEqual([
    ["home-probe", "roster"],
    ["wave-1"],
    ["wave-1"],
    ["wave-2"],
    ["wave-2"],
  ]);
  for (const [name, on] of dependencies) expect(on.length, name).toBeLessThanOrEqual(2);
  ok(await project.pulumi("preview", "--refresh", "--expect-no-changes"));
});

test("a change of two waves runs nothing in the first, stops where a job fails, and goes on from there", async () => {
  project.setMerchants(limited, { rollout });
  await ask(`merchant_${c}`, `revoke execute on procedure app.expire_lots() from merchant_${c}_job`);
  const { status, out, err } = await up();
  expect(status).not.toBe(0);
  expect(out + err).toContain("wave 2 stops here, and no merchant of a later wave was changed");
  expect(out + err).toContain(
    `merchant ${c} of cell home, job lot_expiry: permission denied for procedure expire_lots (42501)`,
  );
  expect(out + err).toContain("run up again: it goes on with this wave");
  expect(out + err).not.toMatch(/^\s+at /m);
  const all = [a, b, c, d];
  expect(await Promise.all(all.map(runs))).toEqual([each(1), each(2), { ...each(2), lot_expiry: 1 }, each(1)]);
  const limit = "select datconnlimit as n from pg_database where datname = $1";
  expect(await ask("postgres", limit, [`merchant_${d}`])).toEqual([{ n: 50 }]);

  // Nothing else changed: that the wave stopped is reason enough to try again.
  await ask(`merchant_${c}`, `grant execute on procedure app.expire_lots() to merchant_${c}_job`);
  ok(await up());
  expect(await Promise.all(all.map(runs))).toEqual([each(1), each(2), { ...each(3), lot_expiry: 2 }, each(2)]);
  expect(await ask("postgres", limit, [`merchant_${d}`])).toEqual([{ n: 7 }]);
});

test("a release whose job fails reaches the first wave only, and its repair reaches all", async () => {
  const file = path.join(project.folder, "sql/merchant/ledger/routines/010_expire_lots.sql");
  const good = readFileSync(file, "utf8");
  const applied = (id: string) =>
    ask(`merchant_${id}`, "select file, sha256, applied_at from merchant_jobs.applied_files order by 1");
  const before = await Promise.all([b, c, d, e].map(applied));
  writeFileSync(
    file,
    good.replace(/\nbegin\n/, "\nbegin\n  raise exception 'the disk is full' using errcode = '53100';\n"),
  );
  const { status, out, err } = await up();
  expect(status).not.toBe(0);
  expect(out + err).toMatch(
    new RegExp(`merchant ${a} of cell home, job lot_expiry: run \\d+ failed: the disk is full \\(53100\\)`),
  );
  expect(await Promise.all([b, c, d, e].map(applied))).toEqual(before);
  writeFileSync(file, `${good}\n-- repaired\n`);
  ok(await up());
  const after = await Promise.all([b, c, d, e].map(applied));
  for (const [i, files] of after.entries()) expect(files).not.toEqual(before[i]);
});

test("a cell is paused by one line for each merchant, and drift of a paused one is told from the pause", async () => {
  const paused = { ...limited, [a]: { jobs: { lot_expiry: { enabled: false } } } };
  // Without waves: a pause in a hurry waits for no gate.
  project.setMerchants(paused, { cell: { suspended: true } });
  const { out, err } = await project.pulumi("preview", "--diff");
  expect(out + err).toContain("cell home is suspended: the jobs of its 5 merchants rest");
  expect(out.match(/~ suspended: +false => true/g)).toHaveLength(4);
  expect(out.match(/~ active: +true => false/g)).toHaveLength(1);
  expect(out).toMatch(/~ 4 to update\n +- 3 to delete/);
  ok(await up());
  const active = "select distinct active from cron.job where starts_with(database, $1)";
  expect(await ask("cron", active, [`merchant_${prefix}`])).toEqual([{ active: false }]);
  ok(await project.pulumi("preview", "--refresh", "--expect-no-changes"));
  await ask("cron", "update cron.job set active = true where jobname = $1", [`${e}:lot_expiry`]);
  const look = await project.pulumi("preview", "--refresh", "--diff", "--expect-no-changes");
  expect(look.status).toBe(7);
  expect(look.out).toContain("resumed: true");
  expect(look.out).not.toContain("~ active");
});
