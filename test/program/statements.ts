import { readFileSync } from "node:fs";
import { superuserClient } from "../server.ts";
import type { RunningServer } from "../../local/postgres.ts";

/**
 * What the server itself has been asked since `forget`, in any database, by anybody but the tests' superuser and the
 * jobs that pg_cron starts meanwhile, the cell's own among them. Only what was sent is counted, not what ran inside of it: inside of a job's
 * functions, which run with the rights of their owner, the user says nothing about who asked.
 */
export function statementsOf(server: RunningServer) {
  return {
    /** Begins to count anew. */
    async forget(): Promise<void> {
      const client = await superuserClient("postgres", server);
      try {
        await client.query("create extension if not exists pg_stat_statements");
        await client.query("select pg_stat_statements_reset()");
      } finally {
        await client.end();
      }
    },
    /** Every statement with its database, in no order. */
    async all(): Promise<readonly { database: string; query: string }[]> {
      const client = await superuserClient("postgres", server);
      try {
        const { rows } = await client.query<{ database: string; query: string }>(
          `select d.datname as database, s.query from pg_stat_statements as s
           join pg_database as d on d.oid = s.dbid
           join pg_roles as r on r.oid = s.userid
           where s.toplevel and r.rolname <> $1 and r.rolname not like '%\\_job'
             and s.query not ilike 'call merchant_jobs.%'`,
          [server.superuser.user],
        );
        return rows;
      } finally {
        await client.end();
      }
    },
    /** How many connections it has opened since the server started, asked or not (log_connections). */
    connections(): number {
      const line = `connection authorized: user=${server.admin} `;
      return readFileSync(server.logFile, "utf8").split(line).length - 1;
    },
    /** Those that change something. */
    async writes(): Promise<readonly { database: string; query: string }[]> {
      const reading =
        /^\s*(select (?!cron\.)|begin|commit|rollback|set |reset |show |discard|deallocate|with (grants|now) as)/i;
      return (await this.all()).filter(({ query }) => !reading.test(query.replaceAll(/^--.*$/gm, "").trim()));
    },
  };
}
