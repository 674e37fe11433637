import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { hostname, tmpdir } from "node:os";
import path from "node:path";
import { provider as roster } from "../../../components/providers/roster.ts";
import { type ConfigReader, resolvePassword, type ServerAddress } from "../../../converge/address.ts";
import { assertCanLook, assertSupported } from "../../../converge/cron-server.ts";
import { zoneUnknown } from "../../../converge/engine-jobs.ts";
import { findStopping, notReady } from "../../../converge/probe-plan.ts";
import { notConnected } from "../../../converge/refusals.ts";
import { lockInTransaction, type Session, withSession } from "../../../converge/session.ts";
import { parseCommandLine } from "../../../local/engine/options.ts";
import { findProject } from "../../../local/engine/project.ts";
import { readPassphrase } from "../../../local/engine/secrets.ts";
import { readStackFile, resolveConfig } from "../../../local/engine/stack-config.ts";
import { findStack } from "../../../local/engine/stack.ts";
import { lockStack, stackFiles } from "../../../local/engine/stack-store.ts";
import { missingPostgres } from "../../../local/postgres/apt.ts";
import { notFetched } from "../../../local/postgres/embedded.ts";
import { assertPortFree } from "../../../local/postgres/port.ts";
import { assertDead } from "../../../local/recover/locks.ts";
import { parseConfig } from "../../../runner/config.ts";
import { serverOf } from "../../../runner/connection.ts";
import { cannotListen } from "../../../runner/http/cannot-listen.ts";
import { assertGuarded } from "../../../runner/http/server.ts";
import { cellEntries, cellProblems } from "../../../spec/aws/replacement.ts";
import type { CellSpec } from "../../../spec/cells.ts";
import { describeProblem } from "../../../spec/problems.ts";
import { made, stackOf } from "../spec/aws/cells.ts";
import { refuse } from "../spec/refuse.ts";

const address: ServerAddress = {
  cell: "eu-1",
  host: "db.example.com",
  port: 5432,
  user: "platform_admin",
  password: "not shown",
  tls: "verify-full",
};

/** The error of a connection, as the driver gives it. */
function failedConnection(code: string, message: string, database = "cron"): Error {
  return notConnected(address, database, Object.assign(new Error(message), { code }));
}

/** A session that answers every question with these rows, or with an error. */
function answering(answer: readonly object[] | Error): Session {
  const query = () => (answer instanceof Error ? Promise.reject(answer) : Promise.resolve({ rows: answer }));
  return { query } as unknown as Session;
}

async function textOf(work: () => unknown): Promise<string> {
  try {
    await work();
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error("nothing went wrong");
}

/** What a preview says of these merchants after an up with acme. */
function ofRoster(merchants: object): string {
  const before = { merchants: { acme: { cell: "home", database: "merchant_acme" } }, requires: {} };
  const { failures = [] } = roster.check({ get: () => undefined }, before, { merchants, requires: {} });
  return failures.map(({ property, reason }) => `property ${property}: ${reason}`).join("\n");
}

async function inFolder(work: (folder: string) => unknown): Promise<string> {
  const folder = mkdtempSync(path.join(tmpdir(), "merchant-jobs-errors-"));
  try {
    const text = await textOf(() => work(folder));
    return text.replaceAll(folder, "~/merchant-jobs").replaceAll(hostname(), "laptop");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A stack of which a run has the lock. No process has that number: Linux gives none above 4194304. */
function lockedStack(folder: string, host: string) {
  const files = stackFiles(folder, "merchant-jobs", "prod");
  mkdirSync(files.locks, { recursive: true });
  const lock = { pid: 4_194_305, username: "ann", hostname: host, timestamp: "2026-11-26T02:00:00.000Z" };
  writeFileSync(path.join(files.locks, "a.json"), JSON.stringify(lock));
  return files;
}

async function onTakenPort(work: (port: number) => Promise<unknown>): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { readonly port: number };
  try {
    const text = await textOf(() => work(port));
    return text.replace(String(port), "29016").replace(/process \d+ \(.*?\)\./, "process 4711 (node server.js).");
  } finally {
    server.close();
  }
}

const server = (credential: object): CellSpec =>
  stackOf({ home: { kind: "server", host: "db.example.com", admin: "platform_admin", credential } }).cells["home"]!;
const noConfig: ConfigReader = () => undefined;
const runnerCell = (credential: object) =>
  parseConfig(JSON.stringify({ cells: { home: { host: "db.example.com", credential } } }), "runner.yaml").cells[
    "home"
  ]!;

/** The errors that people meet first, by the name that docs/errors.md gives them: each as the code says it. */
export const ERROR_TEXTS: Readonly<Record<string, () => string | Promise<string>>> = {
  configuration: () =>
    refuse({
      cells: { home: { kind: "server", host: "db.example.com", admin: "platform_admin", credential: "hunter2" } },
      merchants: {
        acme: { timezone: "Amerika/New_York", jobs: { lot_expiri: { schedule: "0 2 * * *" } } },
        bluebird: { jobs: { lot_expiry: { schedule: "every night" } } },
        Coral: {},
      },
    }).message,
  vanished: () => ofRoster({}),
  moved: () => ofRoster({ acme: { cell: "eu-2", database: "merchant_acme" } }),
  costly: () =>
    cellProblems(
      cellEntries(stackOf({ "eu-1": made }).cells),
      cellEntries(stackOf({ "eu-1": { ...made, identifier: "eu-one" } }).cells),
    )
      .map(describeProblem)
      .join("\n"),
  "no-password-in-environment": () =>
    textOf(() => resolvePassword(server({ env: "HOME_CELL_PASSWORD_OF_TESTS" }) as never, noConfig)),
  "no-password-in-configuration": () =>
    textOf(() => resolvePassword(server({ config: "homePassword" }) as never, noConfig)),
  "no-server": () =>
    textOf(() =>
      withSession({ ...address, host: "127.0.0.1", port: 1, tls: "disable", scheduler: "pg_cron" }, "cron", () =>
        Promise.resolve(),
      ),
    ),
  "no-host": () => failedConnection("ENOTFOUND", "getaddrinfo ENOTFOUND db.example.com").message,
  "wrong-password": () => failedConnection("28P01", 'password authentication failed for user "platform_admin"').message,
  "not-let-in": () =>
    failedConnection("28000", 'no pg_hba.conf entry for host "10.0.0.7", user "platform_admin", database "cron"')
      .message,
  "no-database-cron": () => failedConnection("3D000", 'database "cron" does not exist').message,
  "no-database": () => failedConnection("3D000", 'database "merchant_acme" does not exist', "merchant_acme").message,
  "no-connection-left": () => failedConnection("53300", "sorry, too many clients already").message,
  "no-connection-of-database": () =>
    failedConnection("53300", 'too many connections for database "merchant_acme"', "merchant_acme").message,
  "no-connection-of-role": () => failedConnection("53300", 'too many connections for role "platform_admin"').message,
  "no-answer": () => notConnected(address, "cron", new Error("timeout expired")).message,
  "unknown-authority": () =>
    failedConnection("SELF_SIGNED_CERT_IN_CHAIN", "self-signed certificate in certificate chain").message,
  "no-pg-cron": () => textOf(() => assertCanLook(answering([]), { cell: "home", scheduler: "pg_cron" })),
  "not-the-administrator": () =>
    textOf(() =>
      assertCanLook(answering([{ version: "1.4", hidden: true, readable: false, admin: "app" }]), {
        cell: "home",
        scheduler: "pg_cron",
      }),
    ),
  "old-pg-cron": () =>
    textOf(() => {
      assertSupported("home", "1.4", { "acme:lot_expiry": "30 seconds" });
    }),
  "cell-not-ready": () =>
    notReady(
      "home",
      findStopping({
        scheduler: "pg_cron",
        settings: { "cron.database_name": "cron", "cron.max_running_jobs": "8", max_worker_processes: "8" },
        blind: [],
        launcher: false,
        orphans: { contractor: ["17"] },
        leftovers: [],
      }),
    ).message,
  "zone-of-the-server": () =>
    zoneUnknown("home", "merchant_acme", new Error('time zone "America/Coyhaique" not recognized')).message,
  "another-run": () =>
    textOf(() =>
      lockInTransaction(
        answering(Object.assign(new Error("canceling statement due to lock timeout"), { code: "55P03" })),
        "migrations",
      ),
    ),
  locked: () => inFolder((folder) => lockStack(lockedStack(folder, "build-7"))),
  killed: () => inFolder((folder) => lockStack(lockedStack(folder, hostname()))),
  "recover-while-it-runs": () =>
    textOf(() => {
      const file = ".local/state/.pulumi/locks/organization/merchant-jobs/prod/a.json";
      const timestamp = "2026-11-26T02:00:00.000Z";
      const holder = { pid: 4711, username: "ann", hostname: "laptop", timestamp };
      assertDead([{ file, holder }], () => true, "laptop");
    }),
  "no-project": () => inFolder((folder) => findProject(folder)),
  "no-stack": () =>
    inFolder((folder) => {
      writeFileSync(path.join(folder, "Pulumi.yaml"), "name: merchant-jobs\nruntime: nodejs\n");
      return findStack(parseCommandLine(["preview", "--cwd", folder]).line, {});
    }),
  "no-stack-file": () =>
    inFolder((folder) => {
      copyFileSync(path.join(import.meta.dirname, "../../../Pulumi.yaml"), path.join(folder, "Pulumi.yaml"));
      const project = findProject(folder);
      return resolveConfig(project, readStackFile(project, "frist"), undefined);
    }),
  "no-passphrase": () => inFolder((folder) => readPassphrase({}, folder, "v1:c2FsdA==:proof")),
  "only-the-cli": () => textOf(() => parseCommandLine(["up", "--policy-pack", "x"])),
  "no-postgresql": () =>
    missingPostgres("apt-get needs root, and sudo asks for a password or is not there", {
      withoutCron: [],
    } as unknown as Parameters<typeof missingPostgres>[1]).message,
  offline: () =>
    notFetched("npm error code ENOTFOUND\nnpm error network request to https://registry.npmjs.org/… failed").message,
  "port-of-the-server": () => onTakenPort(assertPortFree),
  "port-of-the-runner": () =>
    cannotListen(
      { host: "127.0.0.1", port: 9187 },
      Object.assign(new Error("listen EADDRINUSE: address already in use 127.0.0.1:9187"), { code: "EADDRINUSE" }),
    ),
  "runner-configuration": () =>
    textOf(() => parseConfig("cells: {home: {host: db.example.com, tls: disable}}\nport: 80", "runner.yaml")),
  "runner-open-to-all": () =>
    textOf(() => {
      assertGuarded({ listen: { host: "0.0.0.0", port: 9187 }, token: undefined });
    }),
  "runner-credential": () =>
    textOf(() => serverOf("home", runnerCell({ file: "/run/secrets/home-of-tests" }), () => undefined).address()),
};
