// npm run demo: a local PostgreSQL with pg_cron, three merchants on it, and each job run once by pg_cron itself.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { parse } from "yaml";
import { resolveAddress } from "../converge/address.ts";
import { withSession } from "../converge/session.ts";
import { parseStack } from "../spec/stack.ts";
import { jobsNotRun, removeDemoJobs, runOnce } from "./demo/run-jobs.ts";
import { crontabTable, runsTable } from "./demo/show.ts";
import { startServer } from "./postgres.ts";
import { LocalServerError } from "./postgres/errors.ts";

/** What went wrong, for the person who runs the demo. */
class DemoError extends Error {}

const project = path.join(import.meta.dirname, "..");
process.chdir(project);

try {
  await demo();
} catch (error) {
  if (!(error instanceof LocalServerError || error instanceof DemoError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}

async function demo(): Promise<void> {
  const stack = parseStack(readStackFile("Pulumi.dev.yaml"));
  const { home } = stack.cells;
  if (home === undefined)
    throw new DemoError("Pulumi.dev.yaml has no cell home any more: the demo is made for that one");

  step("1/5", "A PostgreSQL of our own");
  const server = await startServer({
    folder: path.join(project, ".local"),
    log(line) {
      say(line);
    },
  });
  say(`PostgreSQL ${server.postgresVersion} with pg_cron ${server.pgCronVersion} on ${server.host}:${server.port}`);

  step("2/5", "pulumi up: three merchants (Pulumi.dev.yaml)");
  if (!engine(["stack", "ls"]).stdout.includes("dev")) engine(["stack", "init", "dev"]);
  engine(["up", "--stack", "dev", "--yes", "--skip-preview"], "inherit");

  const address = await resolveAddress(home, () => undefined);
  const merchants = stack.merchants.filter(({ cell }) => cell === home.name);

  step("3/5", "Something to do in each ledger that is empty");
  const ledger = readFileSync(path.join(import.meta.dirname, "demo", "ledger.sql"), "utf8");
  for (const { database } of merchants) await withSession(address, database, (session) => session.query(ledger));

  step("4/5", "Each job once, by pg_cron (a suspended merchant's jobs rest)");
  await removeDemoJobs(address, merchants);
  const active = merchants.filter(({ suspended }) => !suspended);
  const due = await Promise.all(
    active.map(async (merchant) => ({ merchant, jobs: await jobsNotRun(address, merchant) })),
  );
  if (due.every(({ jobs }) => jobs.length === 0)) say("every job has run already");
  else await runOnce(address, due, say);

  step("5/5", "What there is now");
  print(["", "The crontabs (cron.job in database cron):", "", ...(await crontabTable(address))]);
  print([
    "",
    "The newest runs (app.job_runs in each merchant's database):",
    "",
    ...(await runsTable(address, merchants)),
  ]);
  print([
    "",
    "To go on:",
    "  edit Pulumi.dev.yaml, add a merchant, and:   npm run pulumi -- preview --stack dev --diff",
    "                                               npm run pulumi -- up --stack dev",
    "  look for changes made by hand:               npm run pulumi -- preview --stack dev --refresh --diff",
    `  look around (password in .local/server.json): psql -h ${server.host} -p ${server.port} -U ${server.admin} -d cron`,
    "  stop the server, keeping its data:           npm run server -- stop",
    "  throw it all away:                           npm run server -- remove --yes && rm -r .local",
  ]);
}

function engine(args: readonly string[], stdio: "inherit" | "pipe" = "pipe") {
  const result = spawnSync(process.execPath, [path.join(project, "local", "engine", "cli.ts"), ...args], {
    stdio: ["ignore", stdio, stdio],
    encoding: "utf8",
  });
  if (result.status !== 0) {
    throw new DemoError(
      `\`npm run pulumi -- ${args.join(" ")}\` failed; its last lines say why\n${stdio === "pipe" ? result.stderr : ""}`,
    );
  }
  return result;
}

function readStackFile(name: string) {
  const file = parse(readFileSync(path.join(project, name), "utf8")) as { config?: Record<string, unknown> };
  const at = (key: string) => file.config?.[`merchant-jobs:${key}`];
  return { cells: at("cells"), merchants: at("merchants"), jobs: at("jobs") };
}

function step(number: string, title: string): void {
  print(["", `[${number}] ${title}`]);
}

function say(line: string): void {
  print([`      ${line}`]);
}

function print(lines: readonly string[]): void {
  console.log(lines.join("\n"));
}
