// Waves and pauses on the engine that the tests are run with. Each test goes on where the one before it ended.
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { killAtStatement, recover } from "../kill-case.ts";
import { unaligned } from "../drift/sections.ts";
import { type Outcome, makeProject, type Project } from "../project.ts";
import { type Proxy, startProxy } from "../proxy.ts";
import { dropMerchantLeftovers, freshName, superuserClient, testServer } from "../server.ts";

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
const limited = { ...merchants, [c]: { connectionLimit: 7 } };
const tighter = { ...limited, [b]: { connectionLimit: 9 }, [d]: { connectionLimit: 9 } };
const BATCHED = ["history_cleanup", "idempotency_cleanup", "lot_expiry", "ops_cleanup"];
let project: Project;
let proxy: Proxy;

beforeAll(async () => {
  const { host, port } = testServer();
  proxy = await startProxy({ host, port });
  project = await makeProject({ merchants: {}, port: proxy.port });
  project.setMerchants(merchants, { rollout });
});
afterAll(async () => {
  await proxy.close();
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

test("a release that some merchants' data do not go with stops in their waves, and goes on from there", async () => {
  const file = path.join(project.folder, "sql/merchant/ledger/routines/010_expire_lots.sql");
  const check = `\nbegin
  if exists (select from app.lots where account = 'odd') then
    raise exception 'there are odd lots' using errcode = '53100';
  end if;\n`;
  writeFileSync(file, readFileSync(file, "utf8").replace("\nbegin\n", check));
  const all = [a, b, c, d];
  for (const id of [a, c])
    await ask(`merchant_${id}`, "insert into app.lots (account, expires_at) values ('odd', now() + interval '1 year')");
  const repair = (id: string) => ask(`merchant_${id}`, "update app.lots set account = 'even'");
  const applied = () =>
    Promise.all(
      [b, c, d, e].map((id) =>
        ask(`merchant_${id}`, "select file, sha256, applied_at from merchant_jobs.applied_files order by 1"),
      ),
    );
  const before = await applied();
  const expectStop = async (wave: number, id: string) => {
    const { status, out, err } = await up();
    expect(status).not.toBe(0);
    expect(out + err).toMatch(
      new RegExp(
        `wave ${wave} stops here, and no merchant of a later wave was changed:\\s+- merchant ${id} of cell home, ` +
          "job lot_expiry: run \\d+ failed: there are odd lots \\(53100\\)\\s+way out: .* run up again",
      ),
    );
    expect(out + err).not.toMatch(/^\s+at /m);
  };

  await expectStop(1, a);
  expect(await applied()).toEqual(before);
  expect(await Promise.all(all.map(runs))).toEqual([each(2), each(1), each(1), each(1)]);

  // Nothing of the program changes: that the wave stopped is reason enough to try again.
  await repair(a);
  await expectStop(2, c);
  const [, , ...rest] = await applied();
  expect(rest).toEqual(before.slice(2));
  expect(await Promise.all(all.map(runs))).toEqual([each(3), each(2), each(2), each(1)]);

  // One merchant of the second wave changes besides: neither the first wave nor who passed in the second runs again.
  await repair(c);
  project.setMerchants(limited, { rollout });
  ok(await up());
  expect(await Promise.all(all.map(runs))).toEqual([each(3), each(2), each(3), each(2)]);
  for (const [i, files] of (await applied()).entries()) expect(files).not.toEqual(before[i]);
});

test("an up that is killed in the middle of a gate is run again: its wave goes through the gate anew, and no other", async () => {
  const all = [a, b, c, d];
  const before = await Promise.all(all.map(runs));
  project.setMerchants(tighter, { rollout });
  expect(await killAtStatement({ project, proxy }, { statement: /^call .*expire_lots/, when: "before" })).toBe(true);
  // Nothing of the last wave was changed yet.
  const limit = "select datconnlimit from pg_database where datname = $1";
  expect(await ask("cron", limit, [`merchant_${d}`])).toEqual([{ datconnlimit: 50 }]);
  ok(await recover(project));
  ok(await up());
  expect(await ask("cron", limit, [`merchant_${d}`])).toEqual([{ datconnlimit: 9 }]);
  const more = (was: object, by: (job: string) => number) =>
    Object.fromEntries(Object.entries(was).map(([job, n]) => [job, Number(n) + by(job)]));
  // In the order of their names, two of them had run when it was killed.
  const twice = ["history_cleanup", "idempotency_cleanup"];
  expect(await Promise.all(all.map(runs))).toEqual([
    before[0],
    more(before[1]!, (job) => (twice.includes(job) ? 2 : 1)),
    before[2],
    more(before[3]!, () => 1),
  ]);
});

test("a cell is paused by one line for each merchant, and drift of a paused one is told from the pause", async () => {
  const paused = { ...tighter, [a]: { jobs: { lot_expiry: { enabled: false } } } };
  // Without waves: a pause in a hurry waits for no gate.
  project.setMerchants(paused, { cell: { suspended: true } });
  const preview = await project.pulumi("preview", "--diff");
  const [out, err] = [unaligned(preview.out), preview.err];
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
  expect(unaligned(look.out)).toContain("resumed: true");
  expect(look.out).not.toContain("~ active");
});
