import { readFileSync } from "node:fs";
import path from "node:path";
import pg from "pg";
import { planAccess } from "../../converge/access-plan.ts";
import { OBJECTS_QUERY } from "../../converge/objects.ts";
import { readSqlFiles, type SqlFile } from "../../converge/sql-files.ts";
import { dueScheduleOf } from "../../spec/due.ts";
import { batchFunctionOf } from "../../spec/jobs.ts";
import type { MerchantSpec } from "../../spec/merchants.ts";
import { cronJobName } from "../../spec/names.ts";
import { parseSchedule } from "../../spec/schedule.ts";
import type { RunningServer } from "../../local/postgres.ts";
import type { PsqlCall } from "../psql.ts";
import { cronLook, databaseLook, historyLook, registryLook, rolesLook } from "./psql-looks.ts";

const text = pg.escapeLiteral;
const name = pg.escapeIdentifier;

const root = path.join(import.meta.dirname, "..", "..", "sql");
const files = readSqlFiles(root, "merchant");
const history = readFileSync(path.join(root, "history.sql"), "utf8");

/** The locks of converge/session.ts: the merchants are made side by side here too, and change the same rows. */
const LOCKS = { migrations: 1, roles: 2, crontab: 3 } as const;

/**
 * What makes a merchant: the statements that `up` sends for it, each look before a change once. The order asks for the
 * cron database twice: the roles come before the database, the jobs after everything that they call.
 */
export function createCalls(server: RunningServer, merchant: MerchantSpec): readonly PsqlCall[] {
  return [
    { database: server.cronDatabase, sql: makeRoles(server, merchant) },
    { database: "postgres", sql: makeDatabase(merchant) },
    { database: merchant.database, sql: fillDatabase(merchant) },
    { database: server.cronDatabase, sql: makeCrontab(merchant) },
  ];
}

function makeRoles(server: RunningServer, merchant: MerchantSpec): string {
  const { host, port, admin: user, password } = server;
  const address = { cell: "home", scheduler: "pg_cron", host, port, user, password, tls: "disable" } as const;
  const nothing = { roles: {}, memberships: [], majorVersion: Number.parseInt(server.postgresVersion, 10) };
  const steps = planAccess({ ...merchant, merchant: merchant.id, address }, nothing);
  const owner = name(merchant.ownerRole);
  return inTransaction("roles", [
    `create role ${owner} with valid until 'infinity' connection limit -1 nosuperuser nocreatedb nocreaterole inherit
       nologin nobypassrls noreplication;`,
    `grant pg_read_all_stats to ${owner};`,
    `alter role ${owner} set search_path to default;`,
    rolesLook(merchant),
    ...steps.map(({ statement }) => `${statement};`),
  ]);
}

function makeDatabase(merchant: MerchantSpec): string {
  return `create database ${name(merchant.database)} owner ${name(merchant.ownerRole)} template template0 encoding 'UTF8'
    allow_connections true connection limit ${merchant.connectionLimit} is_template false;
    ${databaseLook(merchant)}`;
}

/** Each migration commits by itself; routines, rights and the record of how our objects look commit together. */
function fillDatabase(merchant: MerchantSpec): string {
  const asOwner = `set local role ${name(merchant.ownerRole)};`;
  const migrations = files.filter(({ kind }) => kind === "migration");
  const rest = files.filter(({ kind }) => kind !== "migration");
  return [
    ...migrations.map((file, i) =>
      inTransaction("migrations", [asOwner, ...(i === 0 ? [history] : []), file.text, recordFile(file)]),
    ),
    inTransaction("migrations", [
      asOwner,
      historyLook,
      ...rest.flatMap((file) => [
        ...(file.kind === "access" ? ["reset role;", roleSettings(merchant)] : []),
        file.text,
        asOwner,
        recordFile(file),
      ]),
      "delete from merchant_jobs.expected_objects;",
      `insert into merchant_jobs.expected_objects (object, parent, definition, restore, remove) ${OBJECTS_QUERY};`,
    ]),
    inTransaction("migrations", [writeEngineJobs(merchant)]),
  ].join("\n");
}

function recordFile({ name: file, kind, sha256 }: SqlFile): string {
  const values = [file, kind === "migration" ? "migration" : "routine", sha256].map(text).join(", ");
  return `insert into merchant_jobs.applied_files (file, kind, sha256) values (${values});`;
}

function roleSettings({ ownerRole, appRole, jobRole }: MerchantSpec): string {
  const set = (setting: string, role: string) =>
    `pg_catalog.set_config('merchant_jobs.${setting}', ${text(role)}, true)`;
  return `select ${set("owner_role", ownerRole)}, ${set("app_role", appRole)}, ${set("job_role", jobRole)};`;
}

function writeEngineJobs({ jobs, suspended }: MerchantSpec): string {
  const rows = Object.values(jobs).flatMap(({ name: job, command, due, timezone, enabled, batches }) => {
    if (batches === undefined) return [];
    const { batchSize, timeLimitSeconds, settings } = batches;
    const schedule = parseSchedule(due);
    const parsed = schedule.kind === "problem" ? {} : dueScheduleOf(schedule);
    const values = [
      ...[text(job), text(batchFunctionOf(command)), batchSize, timeLimitSeconds],
      ...[text(due), text(JSON.stringify(parsed)), text(timezone), enabled && !suspended],
      text(JSON.stringify(settings)),
    ];
    return [`(${values.join(", ")})`];
  });
  return `insert into app.jobs
    (name, batch_function, batch_size, time_limit_seconds, schedule, due_schedule, timezone, enabled, settings)
    values ${rows.join(", ")};`;
}

function makeCrontab(merchant: MerchantSpec): string {
  const { id, database, suspended, jobs } = merchant;
  const jobRole = name(merchant.jobRole);
  const rights = "function cron.schedule_in_database, cron.alter_job";
  const values = [id, database, merchant.jobRole].map(text).join(", ");
  return inTransaction("crontab", [
    cronLook(merchant),
    `grant usage on schema cron to ${jobRole};`,
    `grant execute on ${rights} to ${jobRole};`,
    `set local role ${jobRole};`,
    ...Object.values(jobs).map(
      ({ name: job, schedule, command, enabled }) =>
        `select cron.schedule_in_database(job_name => ${text(cronJobName(id, job))}, schedule => ${text(schedule)},
          command => ${text(command)}, database => ${text(database)}, active => ${enabled && !suspended});`,
    ),
    "reset role;",
    `revoke execute on ${rights} from ${jobRole};`,
    `revoke usage on schema cron from ${jobRole};`,
    registryLook(merchant),
    `insert into merchant_jobs.merchants (merchant, database_name, job_role, suspended) values (${values}, ${suspended});`,
  ]);
}

/** SQL in one transaction that waits for a lock of ours first. */
export function inTransaction(lock: keyof typeof LOCKS, statements: readonly string[]): string {
  return ["begin;", `select pg_catalog.pg_advisory_xact_lock(7260, ${LOCKS[lock]});`, ...statements, "commit;\n"].join(
    "\n",
  );
}
