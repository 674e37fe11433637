// A merchant's way out, step by step, through the provider that the stack's resource calls. Each test goes on where the
// one before it ended.
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import type pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { provider as offboard } from "../../components/providers/offboard.ts";
import { provider as crontab } from "../../components/providers/crontab.ts";
import { provider as roster } from "../../components/providers/roster.ts";
import { type Exported, exportMerchant } from "../../converge/export.ts";
import { installationRoot } from "../../local/postgres/installation.ts";
import { onboard, prepareCell, specOf, testCell } from "../merchants.ts";
import {
  adminClient,
  connectAs,
  dropMerchantLeftovers,
  freshName,
  postgresMajor,
  superuserClient,
  testServer,
  waitFor,
} from "../server.ts";
import { valueOf } from "../ledger.ts";

const id = freshName("leaving");
const spec = specOf(id, { database: id });
const folder = mkdtempSync(path.join(tmpdir(), "exports of merchants "));
const exports = path.join(folder, "new");
const config = {
  get(key: string) {
    const { host, port, admin } = testServer();
    const home = { kind: "server", host, port, admin, credential: { config: "password" }, tls: "disable" };
    return key === "cells" ? JSON.stringify({ home }) : testServer().password;
  },
};
const inputs = {
  cell: "home",
  merchant: id,
  database: id,
  export: exports,
  timeLimitMinutes: 5,
  drop: false,
  differs: {},
};
const crontabInputs = { cell: "home", merchant: id, database: id, suspended: true, registered: true, jobs: {} };
const target = { address: testCell(), merchant: id, database: id };
let cron: pg.Client;
/** The state of the resource Offboard, as the engine would keep it. */
let state: Readonly<Record<string, unknown>> & { readonly exported?: Exported } = {};

beforeAll(async () => {
  await prepareCell();
  await onboard(spec);
  cron = await superuserClient("cron");
  await inside(async (client) => {
    await client.query(`alter role ${spec.appRole} password 'for this test'`);
    await client.query(
      "select app.grant_lot(g::text, now() + interval '1 day', 7200 * g) from generate_series(1, 20) as g",
    );
    await client.query("select app.spend(lot_id, 100::bigint) from app.lots limit 7");
    await client.query('create table public."odd name" (t text, amount numeric, at timestamptz, data bytea)');
    await client.query(
      "insert into public.\"odd name\" values ('ä\n', 0.10, now(), '\\x00ff'), (null, null, null, null)",
    );
  });
});
afterAll(async () => {
  await cron.end();
  await dropMerchantLeftovers(id);
  rmSync(folder, { recursive: true });
});

async function inside<T>(work: (client: pg.Client) => Promise<T>, database = id): Promise<T> {
  const client = await superuserClient(database);
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

const figures = (database?: string) =>
  inside(
    (client) =>
      valueOf<object>(
        client,
        `select jsonb_build_object('lots', (select count(*) from app.lots), 'entries', (select count(*) from app.ledger_entries),
           'sum', (select sum(amount_minor) from app.ledger_entries), 'odd', (select count(*) from public."odd name"),
           'files', (select count(*) from merchant_jobs.applied_files), 'jobs', (select count(*) from app.jobs))`,
      ),
    database,
  );
const dumps = (where = exports) => readdirSync(where).filter((name) => name.endsWith(".dump"));
const scratch = () => valueOf<string>(cron, "select count(*) from pg_database where datname like 'mj-verify-%'");
const jobsLeft = () => valueOf<string>(cron, `select count(*) from cron.job where database = '${id}'`);
const jobsEnabled = () => inside((c) => valueOf<string>(c, "select count(*) from app.jobs where enabled"));
const mark = () =>
  valueOf<Date | null>(cron, `select dropping_since from merchant_jobs.merchants where merchant = '${id}'`);
const canLogIn = () => valueOf<boolean>(cron, `select rolcanlogin from pg_roles where rolname = '${spec.appRole}'`);
const reasons = (olds: object, news: object) =>
  (offboard.check(config, { ...olds }, { ...news }).failures ?? []).map(({ reason }) => reason);
const drop = () => offboard.update(config, "", { ...state }, { ...inputs, drop: true });

test("a drop without an export of an earlier up is refused, in the preview and in the apply", async () => {
  expect(reasons({}, { ...inputs, drop: true })).toEqual([
    expect.stringContaining("nothing of this merchant was exported"),
  ]);
  await expect(offboard.create(config, { ...inputs, drop: true })).rejects.toThrow(
    "nothing of this merchant was exported",
  );
  expect(await mark()).toBeNull();
});

test("a folder that cannot be written to is refused; no job is lost by that", async () => {
  const file = path.join(folder, "a file");
  writeFileSync(file, "");
  await expect(offboard.create(config, { ...inputs, export: file })).rejects.toMatchObject({ code: "export_failed" });
  expect([await jobsLeft(), await jobsEnabled()]).toEqual(["5", "4"]);
});

test("what the administrator may not read is refused, with the statements that let it", async () => {
  const refused = await offboard.create(config, { ...inputs }).catch((error: unknown) => error as Error);
  expect(refused).toMatchObject({ code: "missing_right" });
  const statements = /there: (.*)$/.exec((refused as Error).message)?.[1] ?? "";
  expect(statements).toBe(`grant select on public."odd name" to ${testServer().admin};`);
  expect(await jobsEnabled()).toBe("4");
  await inside((client) => client.query(statements));
  expect(readdirSync(exports)).toEqual([]);
});

test("a large object that the administrator may not read is refused too", async () => {
  const oids = await inside((c) => valueOf<string>(c, "select lo_from_bytea(0, '\\x01')::text || ',' || lo_create(0)"));
  const statement = `grant select on large object ${oids.replace(",", ", ")} to ${testServer().admin};`;
  await expect(offboard.create(config, { ...inputs })).rejects.toMatchObject({
    code: "missing_right",
    message: expect.stringContaining(`there: ${statement}`) as string,
  });
  await inside((client) => client.query(statement));
});

test("a table of an extension, which pg_dump leaves out, is refused by its name, and nothing of the export stays", async () => {
  await inside((c) => c.query("create table public.theirs as select 7 as n; grant select on public.theirs to public"));
  await inside((c) => c.query("alter extension plpgsql add table public.theirs"));
  await expect(exportMerchant(target, exports, Date.now() + 60_000)).rejects.toMatchObject({
    code: "export_failed",
    message: expect.stringContaining("public.theirs of extension plpgsql is missing") as string,
  });
  await inside((c) => c.query("alter extension plpgsql drop table public.theirs; drop table public.theirs"));
  expect([readdirSync(exports), await scratch()]).toEqual([[], "0"]);
});

test("an export that is out of time leaves nothing of itself, and no scratch database", async () => {
  const late = expect.stringMatching(/pg_dump did not end within the time limit of the export/) as string;
  await expect(exportMerchant(target, exports, Date.now())).rejects.toMatchObject({
    code: "export_failed",
    message: late,
  });
  // Longer than any pg_dump of this database: the program waits for a lock.
  const holder = await superuserClient(id);
  await holder.query("begin; lock table app.lots in access exclusive mode");
  await expect(exportMerchant(target, exports, Date.now() + 500)).rejects.toMatchObject({ message: late });
  await holder.end();
  expect([readdirSync(exports), await scratch()]).toEqual([[], "0"]);
});

test("without the programs of the server's version it says what to install", async () => {
  const { MERCHANT_JOBS_PG_BIN: before } = process.env;
  process.env["MERCHANT_JOBS_PG_BIN"] = folder;
  try {
    await expect(offboard.create(config, { ...inputs })).rejects.toMatchObject({
      code: "export_failed",
      message: expect.stringContaining(`postgresql-client-${postgresMajor()}`) as string,
    });
  } finally {
    if (before === undefined) delete process.env["MERCHANT_JOBS_PG_BIN"];
    else process.env["MERCHANT_JOBS_PG_BIN"] = before;
  }
});

test("a run under way is waited for; the export is verified, and no job is left", async () => {
  writeFileSync(path.join(folder, "note"), "");
  // A run as the claim sees it: a statement that goes on, with its row.
  const running = await superuserClient(id);
  const pid = await valueOf<number>(running, "select pg_backend_pid()");
  const ended = running.query(
    `do $$ begin
       insert into app.job_runs (job_id, scheduler, status) select job_id, 'manual', 'running' from app.jobs where name = 'lot_expiry';
       commit;
       perform pg_sleep(60);
     end $$`,
  );
  const stopped = expect(ended).rejects.toMatchObject({ code: "57014" });
  await waitFor(
    () => inside((c) => valueOf<boolean>(c, "select exists (select from app.job_runs where status = 'running')")),
    {
      what: "the run to begin",
    },
  );
  let over = false;
  const made = offboard.create(config, { ...inputs }).then((result) => {
    over = true;
    return result;
  });
  await waitFor(() => inside((c) => valueOf<boolean>(c, "select not exists (select from app.jobs where enabled)")), {
    what: "every job to be disabled",
  });
  // It still stands in the crontab: taking it out would cancel it.
  expect([over, await jobsLeft()]).toEqual([false, "5"]);
  await cron.query("select pg_cancel_backend($1)", [pid]);
  await stopped;
  await running.end();

  state = (await made).outs as typeof state;
  expect(await jobsLeft()).toBe("0");
  expect(await mark()).toBeNull();
  expect(await scratch()).toBe("0");
  const exported = state.exported;
  expect(dumps()).toEqual([path.basename(exported?.file ?? "")]);
  expect(exported?.contents["app.ledger_entries"]).toMatchObject({ rows: "27", sums: { amount_minor: "1511300" } });
  expect(exported?.contents["large objects"]).toMatchObject({ rows: "2", sums: { bytes: "1" } });
  expect(statSync(exported?.file ?? "").mode & 0o777).toBe(0o600);
  expect(JSON.parse(readFileSync(`${exported?.file ?? ""}.json`, "utf8"))).toMatchObject({ merchant: id, ...exported });
  expect(readdirSync(exports)).toHaveLength(2);
});

test("the export restores into an empty database with equal counts and sums, and holds no password", async () => {
  const copy = `${id}_copy`;
  const { host, port, superuser } = testServer();
  await cron.query(`create database ${copy} template template0`);
  const env = {
    PATH: process.env["PATH"],
    PGHOST: host,
    PGPORT: String(port),
    PGUSER: superuser.user,
    PGPASSWORD: superuser.password,
  };
  // With owners and rights, which are all there on this server.
  await promisify(execFile)(
    path.join(installationRoot, String(postgresMajor()), "bin", "pg_restore"),
    ["--exit-on-error", "-d", copy, state.exported?.file ?? ""],
    {
      env,
    },
  );
  expect(await figures(copy)).toEqual(await figures());
  expect(readFileSync(state.exported?.file ?? "").includes("SCRAM-SHA-256")).toBe(false);
  await cron.query(`drop database ${copy}`);
});

test("nothing changes when it is applied again, and a refresh finds nothing", async () => {
  const again = await offboard.update(config, "", { ...state }, { ...inputs });
  expect(again.outs).toEqual(state);
  expect(dumps()).toHaveLength(1);
  expect((await offboard.read(config, "home/x", { ...state })).inputs).toEqual(inputs);
  expect(offboard.diff(config, "", { ...state }, { ...inputs })).toMatchObject({ changes: false });
});

test("crontab, record and line stay while it is not dropped, also when they are deleted alone", async () => {
  await expect(crontab.delete(config, "", crontabInputs)).rejects.toMatchObject({ code: "not_offboarding" });
  await expect(offboard.delete(config, "", { ...state })).rejects.toMatchObject({
    code: "not_offboarding",
    message: expect.stringContaining(`database ${id}`) as string,
  });
  // The roster may say that it was to be dropped: that does not make it so.
  const before = { merchants: { [id]: { cell: "home", database: id, offboard: "drop" } }, requires: {} };
  expect(roster.check(config, before, { merchants: {}, requires: {} }).failures).toEqual([]);
  await expect(roster.update(config, "", before, { merchants: {}, requires: {} })).rejects.toMatchObject({
    code: "not_offboarding",
  });
});

test("another folder cannot be named together with the drop", () => {
  expect(reasons(inputs, { ...inputs, drop: true, export: "/elsewhere" })).toEqual([
    expect.stringContaining("put it back"),
  ]);
  expect(reasons(inputs, { ...inputs, drop: true })).toEqual([]);
  expect(reasons({ ...inputs, drop: true }, inputs)).toEqual([expect.stringContaining("cannot be taken back")]);
});

test("what was written since the export refuses the drop and leaves all as it was; another export is made", async () => {
  const application = await connectAs({ user: spec.appRole, password: "for this test" }, id);
  await application.query("select app.grant_lot('ada', now() + interval '1 day', 1)");
  await expect(drop()).rejects.toMatchObject({
    code: "not_exported",
    message: expect.stringContaining("app.ledger_entries has 28 rows, not 27") as string,
  });
  // Its session was ended to look; it may come back.
  await expect(application.query("select 1")).rejects.toThrow();
  await application.end();
  expect([await canLogIn(), await mark()]).toEqual([true, null]);
  await (await connectAs({ user: spec.appRole, password: "for this test" }, id)).end();

  const second = path.join(folder, "second");
  state = (await offboard.update(config, "", { ...state }, { ...inputs, export: second })).outs as typeof state;
  expect(dumps(second)).toHaveLength(1);
  expect(dumps()).toHaveLength(1);
  Object.assign(inputs, { export: second });
});

test("an export that is not at hand any more refuses the drop", async () => {
  const file = state.exported?.file ?? "";
  renameSync(file, `${file}.moved`);
  await expect(drop()).rejects.toMatchObject({
    code: "not_exported",
    message: expect.stringContaining("is not there") as string,
  });
  writeFileSync(file, "something else");
  await expect(drop()).rejects.toMatchObject({ code: "not_exported" });
  renameSync(`${file}.moved`, file);
  expect(await mark()).toBeNull();
});

test("a superuser's session stops the drop by name, and all is as it was; others are ended", async () => {
  const visitor = await superuserClient(id);
  const admin = await adminClient(id);
  try {
    await visitor.query("set application_name = 'psql of a person'");
    await expect(drop()).rejects.toMatchObject({
      code: "in_use",
      message: expect.stringMatching(/process \d+ of \S+ \(psql of a person, from 127\.0\.0\.1\)/) as string,
    });
    expect([await canLogIn(), await mark()]).toEqual([true, null]);
  } finally {
    await visitor.end();
    await admin.end();
  }
});

test("a prepared transaction, which no session holds, stops the drop by its name", async () => {
  const preparing = await superuserClient(id);
  await preparing.query("begin; create table public.later (); prepare transaction 'month end'");
  await preparing.end();
  await expect(drop()).rejects.toMatchObject({
    code: "in_use",
    message: expect.stringMatching(/because the prepared transaction month end of \S+ is in database/) as string,
  });
  expect([await canLogIn(), await mark()]).toEqual([true, null]);
  await inside((client) => client.query("rollback prepared 'month end'"));
});

test("without an export that was made sure of, the crontab stays, whatever an engine deletes after a failed step", async () => {
  // As a run leaves it that was killed while it got ready, or that could take nothing back.
  await cron.query("update merchant_jobs.merchants set dropping_since = 'infinity' where merchant = $1", [id]);
  await expect(crontab.delete(config, "", crontabInputs)).rejects.toMatchObject({
    code: "not_offboarding",
    message: expect.stringContaining("its drop was begun") as string,
  });
  // As one that was killed when it was ready: the next one begins again, and finds no export.
  await cron.query("update merchant_jobs.merchants set dropping_since = now() where merchant = $1", [id]);
  const file = state.exported?.file ?? "";
  renameSync(file, `${file}.moved`);
  await expect(drop()).rejects.toMatchObject({ code: "not_exported" });
  await expect(crontab.delete(config, "", crontabInputs)).rejects.toMatchObject({ code: "not_offboarding" });
  renameSync(`${file}.moved`, file);
});

test("a drop that was killed after it began shows in a refresh, and can be taken back", async () => {
  await cron.query("update merchant_jobs.merchants set dropping_since = now() where merchant = $1", [id]);
  await cron.query(`alter database ${id} allow_connections false; alter role ${spec.appRole} nologin`);
  const found = (await offboard.read(config, "home/x", { ...state })).inputs as typeof inputs;
  expect(found.differs).toEqual({ registry: "it is marked as being dropped" });
  expect((await offboard.update(config, "", { ...state, ...found }, { ...inputs })).outs).toEqual(state);
  expect([await canLogIn(), await mark()]).toEqual([true, null]);
  expect(dumps(inputs.export)).toHaveLength(1);
});

test("the drop lets nobody in any more, marks the merchant, and can be done again", async () => {
  const outs = (await drop()).outs as typeof state;
  expect(outs).toEqual({ ...state, drop: true });
  for (let again = 0; again < 2; again += 1) {
    expect(await mark()).toBeInstanceOf(Date);
    expect(await canLogIn()).toBe(false);
    await expect(superuserClient(id)).rejects.toMatchObject({ code: "55000" });
    // A run that was killed before the state knew.
    await drop();
  }
  state = outs;
  await expect(offboard.delete(config, "", { ...state })).rejects.toMatchObject({ code: "not_offboarding" });
  // A refresh in between can read what is left.
  expect((await crontab.read(config, "x", crontabInputs)).id).toBe("x");
  expect((await offboard.read(config, "x", { ...state })).props).toEqual(state);
});

test("what is dropped to the end is forgotten", async () => {
  await crontab.delete(config, "", crontabInputs);
  await cron.query(`drop database ${id}`);
  await cron.query(`drop role ${spec.ownerRole}, ${spec.appRole}, ${spec.jobRole}`);
  const before = { merchants: { [id]: { cell: "home", database: id, offboard: "drop" } }, requires: {} };
  await expect(roster.update(config, "", before, { merchants: {}, requires: {} })).resolves.toBeDefined();
  await offboard.delete(config, "", { ...state });
});
