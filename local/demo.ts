// npm run demo: a local PostgreSQL, three merchants on it, and each job run once, by pg_cron itself; where that cannot be
// had, by the runner, on a PostgreSQL from npm.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { resolveAddress } from "../converge/address.ts";
import { ConvergeError } from "../converge/errors.ts";
import { withSession } from "../converge/session.ts";
import { SpecError } from "../spec/problems.ts";
import { parseStack } from "../spec/stack.ts";
import { awaitRuns, jobsNotRun, makeDue, removeDemoJobs, runByPgCron } from "./demo/run-jobs.ts";
import { askRunner, type LocalRunner, prepareRunner, withRunner } from "./demo/runner.ts";
import { crontabTable, jobsTable, runsTable } from "./demo/show.ts";
import { EngineError } from "./engine/errors.ts";
import { findProject } from "./engine/project.ts";
import { readStackFile } from "./engine/stack-config.ts";
import { type RunningServer, startServer } from "./postgres.ts";
import { LocalServerError } from "./postgres/errors.ts";

const usage = `Usage: npm run demo -- [--embedded]
  --embedded   take a PostgreSQL without pg_cron from npm, and the runner, also where pg_cron can be had`;

/** What went wrong, for the person who runs the demo. */
class DemoError extends Error {}

const project = path.join(import.meta.dirname, "..");
const folder = path.join(project, ".local");
process.chdir(project);

try {
  const embedded = readWords(process.argv.slice(2));
  if (embedded === undefined) {
    console.error(usage);
    process.exitCode = 2;
  } else {
    await demo(embedded);
  }
} catch (error) {
  const isExpected = [LocalServerError, DemoError, EngineError, SpecError, ConvergeError].some(
    (kind) => error instanceof kind,
  );
  if (!isExpected) throw error;
  console.error((error as Error).message);
  process.exitCode = 1;
}

/** Whether the PostgreSQL from npm is asked for; undefined for words that mean nothing. */
function readWords(args: readonly string[]): boolean | undefined {
  try {
    return parseArgs({ args: [...args], options: { embedded: { type: "boolean", default: false } } }).values.embedded;
  } catch {
    return undefined;
  }
}

async function demo(embedded: boolean): Promise<void> {
  step("1/5", "A PostgreSQL of our own");
  const server = await provideServer(embedded);
  const { postgresVersion, pgCronVersion, host, port } = server;
  const scheduler = pgCronVersion === undefined ? "the runner" : "pg_cron";
  const pgCron = pgCronVersion === undefined ? "without pg_cron" : `with pg_cron ${pgCronVersion}`;
  say(`PostgreSQL ${postgresVersion} ${pgCron} on ${host}:${port}`);
  if (pgCronVersion === undefined) say("the runner starts the jobs in place of pg_cron (docs/runner.md)");

  const name = pgCronVersion === undefined ? "runner" : "dev";
  const file = `Pulumi.${name}.yaml`;
  const { entries } = readStackFile(findProject(project), name);
  const at = (key: string) => entries[`merchant-jobs:${key}`];
  const stack = parseStack({ cells: at("cells"), merchants: at("merchants"), jobs: at("jobs") });
  const { home } = stack.cells;
  if (home === undefined) throw new DemoError(`${file} has no cell home any more: the demo is made for that one`);
  step("2/5", `pulumi up: three merchants (${file})`);
  if (!engine(["stack", "ls"]).stdout.includes(name)) engine(["stack", "init", name]);
  engine(["up", "--stack", name, "--yes", "--skip-preview"], "inherit");

  const address = await resolveAddress(home, () => undefined);
  const merchants = stack.merchants.filter(({ cell }) => cell === home.name);
  const runner = home.scheduler === "runner" ? await prepareRunner(server, home.name, folder) : undefined;

  step("3/5", "Something to do in each ledger that is empty");
  const ledger = readFileSync(path.join(import.meta.dirname, "demo", "ledger.sql"), "utf8");
  for (const { database } of merchants) await withSession(address, database, (session) => session.query(ledger));

  step("4/5", `Each job once, by ${scheduler} (a suspended merchant's jobs rest)`);
  if (runner === undefined) await removeDemoJobs(address, merchants);
  const active = merchants.filter(({ suspended }) => !suspended);
  const due = await Promise.all(
    active.map(async (merchant) => ({ merchant, jobs: await jobsNotRun(address, merchant) })),
  );
  if (due.every(({ jobs }) => jobs.length === 0)) say("every job has run already");
  else if (runner === undefined) await runByPgCron(address, due, say);
  else {
    await makeDue(address, due);
    await withRunner(runner, project, async (url) => {
      await awaitRuns(address, due, { tell: say, when: "now", look: runner.logFile });
      say(`the runner says: ${await askRunner(url)}`);
    });
  }

  step("5/5", "What there is now");
  if (runner === undefined)
    print(["", "The crontabs (cron.job in database cron):", "", ...(await crontabTable(address))]);
  else {
    const jobs = await jobsTable(address, merchants);
    print(["", "The jobs (app.jobs in each merchant's database):", "", ...jobs]);
  }
  const runs = await runsTable(address, merchants);
  print(["", "The newest runs (app.job_runs in each merchant's database):", "", ...runs]);
  print(wayOn(server, name, runner));
}

/** Where PostgreSQL with pg_cron is not here and cannot be installed, the one from npm. */
async function provideServer(embedded: boolean): Promise<RunningServer> {
  const options = { folder, log: say };
  if (embedded) return await startServer({ ...options, embedded });
  try {
    return await startServer(options);
  } catch (error) {
    const isMissing =
      error instanceof LocalServerError && (error.code === "postgres_missing" || error.code === "install_failed");
    if (!isMissing) throw error;
    const [why = "there is no PostgreSQL with pg_cron"] = error.message.split(/ Three ways|\n/);
    say(why);
    say("so this is a PostgreSQL from npm, which has no pg_cron");
    return await startServer({ ...options, embedded: true });
  }
}

function wayOn(server: RunningServer, stack: string, runner: LocalRunner | undefined): readonly string[] {
  const { host, port, admin } = server;
  const ways = [
    [`edit Pulumi.${stack}.yaml, add a merchant, and:`, `npm run pulumi -- preview --stack ${stack} --diff`],
    ["", `npm run pulumi -- up --stack ${stack}`],
    ["look for changes made by hand:", `npm run pulumi -- preview --stack ${stack} --refresh --diff`],
    ...(runner === undefined
      ? []
      : [
          ["start the jobs when they are due:", "npm run runner -- --config .local/runner.yaml"],
          ["see whether they ran, meanwhile:", runner.url],
        ]),
    ["look around (password in .local/server.json):", `psql -h ${host} -p ${port} -U ${admin} -d cron`],
    ["stop the server, keeping its data:", "npm run server -- stop"],
    ["throw it all away:", "npm run server -- remove --yes && rm -r .local"],
  ] as const;
  const width = Math.max(...ways.map(([what]) => what.length));
  return ["", "To go on:", ...ways.map(([what, how]) => `  ${what.padEnd(width)} ${how}`)];
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

function step(number: string, title: string): void {
  print(["", `[${number}] ${title}`]);
}

function say(line: string): void {
  print([`      ${line}`]);
}

function print(lines: readonly string[]): void {
  console.log(lines.join("\n"));
}
