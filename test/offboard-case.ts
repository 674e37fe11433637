import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import type pg from "pg";
import { expect } from "vitest";
import { installationRoot } from "../local/postgres/installation.ts";
import { valueOf } from "./ledger.ts";
import { countStatements, type KillCase, killAtStatement, recover } from "./kill-case.ts";
import type { Outcome, State } from "./project.ts";
import type { Boundary } from "./proxy.ts";
import { postgresMajor, superuserClient, testServer } from "./server.ts";

/** The merchant that leaves and the one that stays, with what must be the same at the end. */
export interface OffboardCase {
  readonly at: KillCase;
  readonly leaving: string;
  readonly place: TestPlace;
  /** Everything on the server that is not the leaving merchant's, and whether pg_cron's launcher is the same process. */
  readonly others: string;
}

/** What a merchant is exported to. */
export interface TestPlace {
  /** As the stack file has it. */
  readonly address: string;
  /** What is there of exports that were begun, and neither finished nor given up. */
  readonly halfWritten: () => Promise<readonly string[]> | readonly string[];
  /** A file of this machine with an export, by what the state calls it. */
  readonly fileOf: (exported: string) => Promise<string> | string;
}

/** The folder `exports` of a project. */
function folderOf({ folder }: KillCase["project"]): TestPlace {
  const exports = path.join(folder, "exports");
  return {
    address: "exports",
    halfWritten: () => (existsSync(exports) ? readdirSync(exports).filter((name) => name.endsWith(".partial")) : []),
    fileOf: (exported) => exported,
  };
}

/** How far the stack file says that it shall go. */
export type Step = "export" | "drop" | "gone";

/** Onboards two merchants, and puts something into the ledger of the one that will leave. */
export async function openOffboardCase(at: KillCase, place = folderOf(at.project)): Promise<OffboardCase> {
  const [leaving = "", staying = ""] = at.merchants;
  await countStatements(at);
  for (const id of [leaving, staying]) {
    await ask(id, async (client) => {
      await client.query(
        `select app.spend(app.grant_lot(g::text, now() + interval '1 day', 1000 + g), 7)
         from generate_series(1, 50) as g`,
      );
    });
  }
  return { at, leaving, place, others: await lookAtOthers(leaving, staying) };
}

/** Writes the step into the stack file. */
export function declare({ at, leaving, place }: OffboardCase, step: Step, line: object = {}): void {
  const others = at.merchants.filter((id) => id !== leaving).map((id) => [id, { database: id }]);
  const offboard = { export: place.address, ...(step === "drop" && { drop: true, confirm: leaving }), ...line };
  const own = step === "gone" ? [] : [[leaving, { database: leaving, offboard }]];
  at.project.setMerchants(Object.fromEntries([...own, ...others]) as object);
}

export async function up({ at }: OffboardCase, ...flags: readonly string[]): Promise<Outcome> {
  const outcome = await at.project.pulumi("up", "--yes", "--skip-preview", ...flags);
  expect(outcome.status, outcome.out + outcome.err).toBe(0);
  return outcome;
}

/** Kills the `up` of a step at a statement, looks, recovers and runs it again. Gives whether it was killed. */
export async function killAndGoOn(
  offboard: OffboardCase,
  step: Step,
  boundary: Boundary,
  { said = "", look }: { readonly said?: string; readonly look?: () => Promise<void> } = {},
): Promise<boolean> {
  declare(offboard, step);
  const killed = await killAtStatement(offboard.at, boundary);
  await look?.();
  const answer = await recover(offboard.at.project);
  expect(answer.status, said + answer.out + answer.err).toBe(0);
  const again = await offboard.at.project.pulumi("up", "--yes", "--skip-preview");
  expect(again.status, [said, answer.out, again.out, again.err].join("\n")).toBe(0);
  return killed;
}

/** What is true after the step: its own objects, and everybody else's. */
export async function expectAfter(offboard: OffboardCase, step: Step, said = ""): Promise<void> {
  const { at, leaving, place, others } = offboard;
  const staying = at.merchants.find((id) => id !== leaving) ?? "";
  expect(await lookAtOthers(leaving, staying), said).toBe(others);
  expect(await place.halfWritten(), said).toEqual([]);
  const found = await ask("cron", (client) =>
    valueOf<object>(
      client,
      `select jsonb_build_object(
         'jobs', (select count(*) from cron.job where database = $1 or username like $1 || '\\_%'),
         'databases', (select count(*) from pg_database where datname = $1),
         'scratch', (select count(*) from pg_database where starts_with(datname, 'mj-verify-' || $1)),
         'roles', (select count(*) from pg_roles where rolname like $1 || '\\_%'),
         'registered', (select count(*) from merchant_jobs.merchants where merchant = $1),
         'marked', (select count(*) from merchant_jobs.merchants where merchant = $1 and dropping_since is not null))`,
      [leaving],
    ),
  );
  const left = step === "export" ? 1 : 0;
  expect(found, said).toEqual({ jobs: 0, databases: left, scratch: 0, roles: 3 * left, registered: left, marked: 0 });
  const state = resourcesIn(at).filter(({ urn }) => urn.split("::").at(-1)?.startsWith(leaving));
  const types = state.map(({ type }) => type.split(":").at(-1)).sort();
  const all = ["Access", "Crontab", "Database", "Merchant", "Migrations", "Offboard", "Role"];
  expect(types, said).toEqual({ export: all, drop: ["Merchant", "Offboard"], gone: [] }[step]);
}

/** The resources of the stack, from its file: an export of the state takes seconds. */
function resourcesIn({ project }: KillCase): State["resources"] {
  const file = path.join(project.folder, ".local", "state", ".pulumi", "stacks", "merchant-jobs", "test.json");
  const state = JSON.parse(readFileSync(file, "utf8")) as { readonly checkpoint: { readonly latest: State } };
  return state.checkpoint.latest.resources;
}

/** The export that the state names restores into an empty database with the same figures as at the beginning. */
export async function expectExportWhole({ at, leaving, place }: OffboardCase): Promise<void> {
  const outputs = resourcesIn(at).find(({ urn }) => urn.endsWith(`::${leaving}-offboard`))?.outputs;
  const { file } = outputs?.["exported"] as { readonly file: string };
  const copy = `${leaving}_copy`;
  await ask("cron", (client) => client.query(`create database ${copy} template template0`));
  const { host, port, superuser } = testServer();
  const env = { PGHOST: host, PGPORT: String(port), PGUSER: superuser.user, PGPASSWORD: superuser.password };
  // As docs/offboarding.md says.
  const words = ["--no-owner", "--no-privileges", "--exit-on-error", "-d", copy, await place.fileOf(file)];
  await promisify(execFile)(path.join(installationRoot, String(postgresMajor()), "bin", "pg_restore"), words, { env });
  const figures = await ask(copy, (client) =>
    valueOf<string>(
      client,
      `select format('%s lots, %s entries, %s minor units', (select count(*) from app.lots), count(*), sum(amount_minor))
       from app.ledger_entries`,
    ),
  );
  await ask("cron", (client) => client.query(`drop database ${copy}`));
  // 50 grants of 1,001 to 1,050, of which 7 each were spent.
  expect(figures).toBe("50 lots, 100 entries, 50925 minor units");
}

async function lookAtOthers(leaving: string, staying: string): Promise<string> {
  const server = await ask("cron", (client) =>
    valueOf<object>(
      client,
      `select jsonb_build_object(
         'jobs', (select jsonb_agg(to_jsonb(j) order by jobid) from cron.job as j where j.database = $1),
         'registry', (select to_jsonb(m) from merchant_jobs.merchants as m where m.merchant = $1),
         'roles', (select jsonb_agg(to_jsonb(r) order by rolname) from pg_roles as r where starts_with(rolname, $1)),
         'database', (select jsonb_build_object('oid', oid, 'acl', datacl, 'limit', datconnlimit, 'open', datallowconn)
           from pg_database where datname = $1),
         'launcher', (select jsonb_agg(pid) from pg_stat_activity where application_name = 'pg_cron scheduler'))`,
      [staying],
    ),
  );
  const ledger = await ask(staying, (client) =>
    valueOf<object>(client, "select jsonb_agg(to_jsonb(e) order by entry_id) from app.ledger_entries as e"),
  );
  expect(leaving).not.toBe(staying);
  return JSON.stringify([server, ledger]);
}

async function ask<T>(database: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = await superuserClient(database);
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
