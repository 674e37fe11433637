import type { DriftKind } from "./kinds.ts";

type Cron = readonly [kind: string, at: string, by: string, ...shows: string[]];

const job = (name: string) => `where jobname = '$id:${name}'`;
const extra = "insert into cron.job (jobname, schedule, command, nodename, nodeport, database, username) values";

/** In cron.job, by somebody who may do that. */
const jobs: readonly Cron[] = [
  [
    "a job's schedule changed",
    "acme",
    `update cron.job set schedule = '5 3 * * *' ${job("lot_expiry")}`,
    "~ lot_expiry: {",
    '~ schedule: "0 2 * * *" => "5 3 * * *"',
  ],
  [
    "a job's command changed",
    "acme",
    `update cron.job set command = 'select 1' ${job("ops_cleanup")}`,
    "~ ops_cleanup: {",
    '~ command: "CALL app.cleanup_expired_operations()" => "select 1"',
  ],
  [
    "a job's database changed",
    "acme",
    `update cron.job set database = 'postgres' ${job("idempotency_cleanup")}`,
    "~ idempotency_cleanup: {",
    '+ database: "postgres"',
  ],
  [
    "a job's user changed",
    "acme",
    `update cron.job set username = 'postgres' ${job("catch_up")}`,
    "- catch_up: {",
    "+ catch_up@postgres: {",
    'user: "postgres"',
  ],
  [
    "a job paused",
    "acme",
    `update cron.job set active = false ${job("history_cleanup")}`,
    "~ history_cleanup: {",
    "~ active: true => false",
  ],
  [
    "a job resumed though its merchant is suspended",
    "coral",
    `update cron.job set active = true ${job("lot_expiry")}`,
    "~ lot_expiry: {",
    "+ resumed: true",
  ],
  ["a job deleted", "bluebird", `delete from cron.job ${job("history_cleanup")}`, "- history_cleanup: {"],
  [
    "an extra job of the merchant's job role",
    "bluebird",
    `${extra} ('mine', '0 1 * * *', 'select 1', '', 0, '$db', '$job')`,
    "+ mine: {",
    'command: "select 1"',
  ],
  [
    "an extra job of another user in the merchant's database",
    "bluebird",
    `${extra} ('mine', '0 1 * * *', 'select 2', '', 0, '$db', 'postgres')`,
    "+ mine@postgres: {",
    'command: "select 2"',
  ],
  [
    "an extra job without a name, shown as #<jobid>",
    "dahlia",
    `${extra} (null, '0 1 * * *', 'select 3', '', 0, '$db', '$job')`,
    "+ #",
    'command: "select 3"',
  ],
  [
    "an extra job of the job role in another database",
    "bluebird",
    `${extra} ('elsewhere', '0 1 * * *', 'select 4', '', 0, 'postgres', '$job')`,
    "+ elsewhere: {",
    'command: "select 4"',
    'database: "postgres"',
  ],
  [
    "a job of the same name under another user",
    "bluebird",
    `${extra} ('$id:lot_expiry', '0 2 * * *', 'CALL app.expire_lots()', '', 0, '$db', 'postgres')`,
    "+ lot_expiry@postgres: {",
    'user: "postgres"',
  ],
  [
    "all jobs of a merchant deleted",
    "ember",
    "delete from cron.job where database = '$db'",
    "- catch_up: {",
    "- history_cleanup: {",
    "- idempotency_cleanup: {",
    "- lot_expiry: {",
    "- ops_cleanup: {",
  ],
  [
    "a merchant's entry of the registry changed",
    "dahlia",
    "update merchant_jobs.merchants set job_role = 'x' where merchant = '$id'",
    "~ registered: true => false",
  ],
  [
    "a merchant's entry of the registry suspended",
    "bluebird",
    "update merchant_jobs.merchants set suspended = true where merchant = '$id'",
    "~ suspended: false => true",
  ],
  [
    "a merchant's entry of the registry given to the runner",
    "ember",
    "update merchant_jobs.merchants set scheduler = 'runner' where merchant = '$id'",
    '~ scheduler: "pg_cron" => "runner"',
  ],
  [
    "a merchant's entry of the registry deleted",
    "kale",
    "delete from merchant_jobs.merchants where merchant = '$id'",
    "~ registered: true => false",
  ],
];

/** In app.jobs of the merchant's database. */
const engine: readonly Cron[] = [
  [
    "a job's batch size changed",
    "dahlia",
    "update app.jobs set batch_size = 1 where name = 'lot_expiry'",
    "~ lot_expiry: {",
    "~ batchSize: 2000 => 1",
  ],
  [
    "a job's time limit changed",
    "dahlia",
    "update app.jobs set time_limit_seconds = 1 where name = 'lot_expiry'",
    "~ lot_expiry: {",
    "~ timeLimitSeconds: 600 => 1",
  ],
  [
    "a job's retention changed",
    "dahlia",
    `update app.jobs set settings = '{"retentionDays": 1}' where name = 'idempotency_cleanup'`,
    "~ idempotency_cleanup: {",
    "~ retentionDays: 7 => 1",
  ],
  [
    "a job switched off in app.jobs",
    "dahlia",
    "update app.jobs set enabled = false where name = 'ops_cleanup'",
    "~ ops_cleanup: {",
    "+ enabled: false",
  ],
  [
    "a job's schedule changed in app.jobs",
    "dahlia",
    `update app.jobs set schedule = '0 5 * * *', due_schedule = due_schedule || '{"hours": [5]}' where name = 'history_cleanup'`,
    "~ history_cleanup: {",
    '+ due: "0 5 * * *"',
  ],
  [
    "a job's parsed schedule changed in app.jobs",
    "coral",
    `update app.jobs set due_schedule = due_schedule || '{"hours": [7]}' where name = 'history_cleanup'`,
    "~ history_cleanup: {",
    "+ dueSchedule: ",
  ],
  [
    "a job's time zone changed in app.jobs",
    "coral",
    "update app.jobs set timezone = 'Asia/Tokyo' where name = 'idempotency_cleanup'",
    "~ idempotency_cleanup: {",
    '+ timezone: "Asia/Tokyo"',
  ],
  [
    "a job's batch function changed",
    "coral",
    "update app.jobs set batch_function = 'app.mine' where name = 'ops_cleanup'",
    "~ ops_cleanup: {",
    '+ batchFunction: "app.mine"',
  ],
  [
    "a job deleted from app.jobs",
    "fern",
    "delete from app.jobs where name = 'lot_expiry'",
    "~ lot_expiry: {",
    "- batchSize: 2000",
    "- timeLimitSeconds: 600",
  ],
  [
    "a job added to app.jobs",
    "fern",
    "insert into app.jobs (name, batch_function, batch_size, time_limit_seconds) values ('mine', 'app.mine', 1, 1)",
    "+ mine: {",
    "enabled: true",
  ],
];

export const crontabKinds: readonly DriftKind[] = [
  ...jobs.map(([kind, at, by, ...shows]) => ({ kind, at, in: "cron" as const, by, resource: "crontab", shows })),
  ...engine.map(([kind, at, by, ...shows]) => ({ kind, at, in: "own" as const, by, resource: "crontab", shows })),
];
