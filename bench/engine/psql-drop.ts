import pg from "pg";
import type { MerchantSpec } from "../../spec/merchants.ts";
import type { RunningServer } from "../../local/postgres.ts";
import type { PsqlCall } from "../psql.ts";
import { inTransaction } from "./psql-create.ts";
import { cronLook, registryLook } from "./psql-looks.ts";

const text = pg.escapeLiteral;
const name = pg.escapeIdentifier;

/**
 * What removes a merchant: the statements that `destroy` sends for it. The jobs go before the database and the roles
 * after it, so the cron database is asked twice.
 */
export function dropCalls(server: RunningServer, merchant: MerchantSpec): readonly PsqlCall[] {
  const database = name(merchant.database);
  const [owner, app, job] = [merchant.ownerRole, merchant.appRole, merchant.jobRole].map(name);
  return [
    {
      database: server.cronDatabase,
      sql: inTransaction("crontab", [
        registryLook(merchant),
        cronLook(merchant),
        `select cron.unschedule(j.jobid) from cron.job as j where j.database = ${text(merchant.database)};`,
        `delete from merchant_jobs.merchants where merchant = ${text(merchant.id)};`,
      ]),
    },
    {
      database: "postgres",
      sql: `
        alter database ${database} allow_connections false;
        select pg_catalog.pg_terminate_backend(pid) from pg_catalog.pg_stat_activity
        where datname = ${text(merchant.database)} and pid <> pg_catalog.pg_backend_pid();
        drop database ${database} with (force);`,
    },
    {
      database: server.cronDatabase,
      sql: inTransaction("roles", [
        cronLook(merchant),
        `drop role if exists ${app}, ${job};`,
        `reassign owned by ${owner} to ${name(server.admin)};`,
        `drop owned by ${owner};`,
        `drop role ${owner};`,
      ]),
    },
  ];
}
