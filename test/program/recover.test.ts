import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { hostname, tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { isAlive } from "../../local/engine/stack-store.ts";
import {
  countStatements,
  expectRecovery,
  type KillCase,
  killAtStatement,
  recover,
  withKillCase,
} from "../kill-case.ts";
import type { Project } from "../project.ts";
import { adminClient, superuserClient, waitFor } from "../server.ts";

const up = (project: Project) => project.pulumi("up", "--yes", "--skip-preview");
const expectUp = async (project: Project) => {
  const { status, out, err } = await up(project);
  expect(status, out + err).toBe(0);
};
const merchantOf = ({ merchants }: KillCase) => merchants[0] ?? "";

test.for([
  // A role is made in a transaction; the first of a provider of PostgreSQL is that of the merchant's role.
  { made: "role", statement: /^COMMIT$/, sqlstate: "42710" },
  { made: "database", statement: /^CREATE DATABASE/, sqlstate: "42P04" },
])("a $made that a killed up made is imported; without that every up fails", async ({ made, statement, sqlstate }) => {
  await withKillCase(1, async (at) => {
    expect(await killAtStatement(at, { statement, when: "after" })).toBe(true);
    await at.project.pulumi("cancel", "--yes");
    const blocked = await up(at.project);
    expect(blocked.status).not.toBe(0);
    expect(blocked.out + blocked.err).toContain(sqlstate);

    const first = await recover(at.project);
    expect(first.out).toContain(`imported ${made}`);
    expect((await recover(at.project)).out).toContain("There is nothing to do.");
    await expectUp(at.project);
  });
});

test("what a server still makes for a run that was killed is waited for", async () => {
  await withKillCase(1, async (at) => {
    expect(await killAtStatement(at, { statement: /^CREATE ROLE/, when: "before" })).toBe(true);
    const late = await adminClient("postgres");
    // A transaction sees pg_stat_activity as it was when it first looked, so another one looks.
    const looking = await superuserClient("postgres");
    try {
      await late.query("begin");
      await late.query(`create role ${merchantOf(at)}_owner`);
      const answer = recover(at.project);
      // It has looked at the sessions once, and saw this one.
      await waitFor(
        async () => {
          const found = await looking.query<{ there: boolean }>(
            `select exists (select from pg_stat_activity where application_name = 'merchant-jobs converge'
               and state = 'idle' and query like '%pg_stat_activity%') as there`,
          );
          return found.rows[0]?.there === true;
        },
        { what: "recover to look at the sessions" },
      );
      await late.query("commit");
      expect((await answer).out).toContain("waited for sessions of cell home");
      expect((await answer).out).toContain(`imported role ${merchantOf(at)}_owner`);
    } finally {
      await late.end();
      await looking.end();
    }
  });
});

test("what somebody else made under a merchant's name is refused by name, and left as it is", async () => {
  await withKillCase(1, async (at) => {
    const id = merchantOf(at);
    await run("postgres", `create database ${id}`);
    await run(id, "create table public.important (id bigint)");
    expect((await up(at.project)).status).not.toBe(0);
    const before = await idsIn(at.project);

    const refused = await recover(at.project);
    expect(refused.status).toBe(1);
    expect(refused.out).toMatch(/REFUSED: database .* is not in the state: it holds .*public\.important/);
    expect(await idsIn(at.project)).toEqual(before);

    await run(id, "drop table public.important");
    const taken = await recover(at.project);
    expect(taken.out).toContain(`imported database ${id}`);
    expect(taken.status).toBe(0);
    await expectUp(at.project);
  });
});

test("a stack that a living run holds is left alone", async () => {
  await withKillCase(1, async ({ project }) => {
    const lock = writeLock(project, process.pid);
    const answer = await recover(project);
    expect(answer.status).toBe(1);
    expect(answer.err).toContain(`process ${String(process.pid)}`);
    expect(answer.err).toContain("which is running");
    expect(readFileSync(lock, "utf8")).toContain(String(process.pid));
  });
});

test("a torn state is repaired from the copy beside it, and what the copy does not know is found on the server", async () => {
  await withKillCase(1, async (at) => {
    const id = merchantOf(at);
    await countStatements(at);
    const file = stateFile(at.project);
    // The copy is from before the merchant had its role and database: as old as a copy can be.
    forgetInState(at.project, [`::${id}-owner`, `::${id}-database`]);
    writeFileSync(`${file}.bak`, readFileSync(file));
    truncateSync(file, 1_000);

    const answer = await recover(at.project);
    expect(answer.status, answer.err).toBe(0);
    expect(answer.out).toContain("in the place of the torn");
    expect(answer.out).toContain(`imported role ${id}_owner`);
    expect(answer.out).toContain(`imported database ${id}`);
    rmSync(`${file}.torn`);
    await expectRecovery(at, "after the repair");
  });
});

test("left-over providers of this project are ended, and no others", async () => {
  await withKillCase(1, async ({ project }) => {
    const elsewhere = mkdtempSync(path.join(tmpdir(), "other project "));
    symlinkSync(path.join(project.folder, "node_modules"), path.join(elsewhere, "node_modules"));
    onTestFinished(() => {
      rmSync(elsewhere, { recursive: true });
    });
    const [ours, others] = [await startProvider(project.folder), await startProvider(elsewhere)];

    const answer = await recover(project);
    expect(answer.out).toContain(`ended process ${String(ours)}`);
    expect(isAlive(ours)).toBe(false);
    expect(isAlive(others)).toBe(true);
  });
});

test("a mistyped merchant is forgotten when nothing of it exists, and kept when something does", async () => {
  await withKillCase(1, async (at) => {
    const id = merchantOf(at);
    await countStatements(at);
    const mistyped = `${id}x`;
    at.project.setMerchants({ [id]: { database: id }, [mistyped]: { database: mistyped } });
    expect(await killAtStatement(at, { statement: /^CREATE ROLE/, when: "before" })).toBe(true);

    const kept = await recover(at.project, "--forget", id);
    expect(kept.status).toBe(1);
    for (const what of [
      `database ${id}`,
      `role ${id}_owner`,
      `role ${id}_app`,
      `role ${id}_job`,
      `${id}:lot_expiry`,
      "its row",
    ])
      expect(kept.out).toContain(what);

    at.project.setMerchants({ [id]: { database: id } });
    const vanished = await up(at.project);
    expect(vanished.out + vanished.err).toContain(`--forget ${mistyped}`);

    const forgotten = await recover(at.project, "--forget", mistyped);
    expect(forgotten.status, forgotten.out + forgotten.err).toBe(0);
    expect(JSON.stringify(await at.project.state())).not.toContain(mistyped);
    await expectUp(at.project);
  });
});

test("no secret is printed, and an unknown word is answered by the usage", async () => {
  await withKillCase(1, async (at) => {
    await killAtStatement(at, { statement: /^CREATE DATABASE/, when: "after" });
    const answer = await recover(at.project);
    const password = at.project.env["MERCHANT_JOBS_TEST_PASSWORD"] ?? "";
    expect(password.length).toBeGreaterThan(8);
    expect(answer.out + answer.err).not.toContain(password);
    const unknown = await recover(at.project, "--frget", "acme");
    expect(unknown.status).toBe(2);
    expect(unknown.err).toContain("Usage:");
  });
});

async function run(database: string, sql: string): Promise<void> {
  const client = database === "postgres" ? await adminClient(database) : await superuserClient(database);
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

async function idsIn(project: Project): Promise<readonly string[]> {
  return (await project.state()).resources.map(({ urn, id }) => `${urn} ${id ?? ""}`);
}

function stateFile(project: Project): string {
  return path.join(project.folder, ".local", "state", ".pulumi", "stacks", "merchant-jobs", "test.json");
}

function writeLock(project: Project, pid: number): string {
  const folder = path.join(
    project.folder,
    ".local",
    "state",
    ".pulumi",
    "locks",
    "organization",
    "merchant-jobs",
    "test",
  );
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, `${String(pid)}.json`);
  const lock = { pid, username: "somebody", hostname: hostname(), timestamp: new Date().toISOString() };
  writeFileSync(file, JSON.stringify(lock));
  return file;
}

/** Takes resources out of the state file, as if they had never been written. */
function forgetInState(project: Project, names: readonly string[]): void {
  const file = stateFile(project);
  const state = JSON.parse(readFileSync(file, "utf8")) as { checkpoint: { latest: { resources: { urn: string }[] } } };
  const { latest } = state.checkpoint;
  latest.resources = latest.resources.filter(({ urn }) => !names.some((name) => urn.endsWith(name)));
  writeFileSync(file, JSON.stringify(state));
  expect(readdirSync(path.dirname(file))).toContain("test.json.bak");
}

/** The SDK's own provider process, as an engine that was killed leaves it behind. Gives its pid. */
async function startProvider(folder: string): Promise<number> {
  const program = path.join(folder, "node_modules", "@pulumi", "pulumi", "cmd", "dynamic-provider");
  const child = spawn(process.execPath, [program, "127.0.0.1:0"], { cwd: folder, stdio: ["ignore", "pipe", "ignore"] });
  onTestFinished(() => {
    child.kill("SIGKILL");
  });
  // It prints its port when it is ready.
  await once(child.stdout, "data");
  return child.pid ?? 0;
}
