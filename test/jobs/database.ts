import type pg from "pg";
import type { RunningServer } from "../../local/postgres.ts";
import { waitPatiently } from "../patience.ts";
import { superuserClient, testServer, waitFor } from "../server.ts";

/** A session of the superuser's, and its process on the server. */
export interface Session {
  readonly client: pg.Client;
  readonly pid: number;
}

/** A row of app.job_runs, as the tests compare it. */
export interface Run {
  readonly status: string;
  readonly scheduler: string;
  readonly affected: number;
  readonly batches: number;
  readonly quarantined: number;
  readonly more: boolean;
  readonly sqlstate: string | null;
  readonly pid: number;
}

/** The call of the job that these tests run most: it moves money, so that twice and not at all both show. */
export const EXPIRE_LOTS = "call app.expire_lots()";

/** A merchant's database, with the sessions that a test opened in it. Everything in it is asked as superuser. */
export class JobsDatabase {
  readonly name: string;
  readonly #server: RunningServer;
  readonly #client: pg.Client;
  readonly #opened: pg.Client[] = [];

  private constructor(name: string, server: RunningServer, client: pg.Client) {
    this.name = name;
    this.#server = server;
    this.#client = client;
  }

  static async open(name: string, server: RunningServer = testServer()): Promise<JobsDatabase> {
    return new JobsDatabase(name, server, await superuserClient(name, server));
  }

  /** Runs a statement in the session of the test's own. */
  async rows<T>(sql: string, values: readonly unknown[] = []): Promise<T[]> {
    return (await this.#client.query(sql, [...values])).rows as T[];
  }

  /** As waitPatiently: what a test holds while it looks around does not run out. */
  async waitPatiently(): Promise<void> {
    await waitPatiently(this.#client);
  }

  /** Opens a further session; `close` ends it. */
  async session(): Promise<Session> {
    return this.keep(await superuserClient(this.name, this.#server));
  }

  /** Ends a session of any role with the others. */
  async keep(client: pg.Client): Promise<Session> {
    this.#opened.push(client);
    const { rows } = await client.query<{ pid: number }>("select pg_backend_pid() as pid");
    return { client, pid: rows[0]!.pid };
  }

  /** Ends the sessions that were opened, so that they hold nothing. */
  async closeSessions(): Promise<void> {
    await Promise.all(this.#opened.splice(0).map((client) => client.end().catch(() => undefined)));
  }

  async close(): Promise<void> {
    await this.closeSessions();
    await this.#client.end().catch(() => undefined);
  }

  /** The runs of a job, the oldest first. */
  async runs(job = "lot_expiry"): Promise<Run[]> {
    return await this.rows<Run>(
      `select r.status, r.scheduler, r.affected_rows::int as affected, r.batches::int as batches,
         r.quarantined::int as quarantined, r.more, r.error_sqlstate as sqlstate, r.backend_pid as pid
       from app.job_runs as r join app.jobs as j using (job_id) where j.name = $1 order by r.run_id`,
      [job],
    );
  }

  /** The newest run of a job. */
  async lastRun(job = "lot_expiry"): Promise<Run | undefined> {
    return (await this.runs(job)).at(-1);
  }

  /** Changes the row of a job in app.jobs. */
  async setJob(
    settings: { readonly batchSize?: number; readonly timeLimitSeconds?: number },
    job = "lot_expiry",
  ): Promise<void> {
    await this.rows(
      `update app.jobs set batch_size = coalesce($2, batch_size), time_limit_seconds = coalesce($3, time_limit_seconds)
       where name = $1`,
      [job, settings.batchSize ?? null, settings.timeLimitSeconds ?? null],
    );
  }

  /** Makes a lot that expires `expires` from now, with these entries. */
  async lot(expires: string, amounts: readonly number[]): Promise<string> {
    const [made] = await this.rows<{ lot_id: string }>(
      "insert into app.lots (account, expires_at) values ('a', clock_timestamp() + $1::interval) returning lot_id",
      [expires],
    );
    for (const amount of amounts) {
      await this.rows("insert into app.ledger_entries (lot_id, kind, amount_minor) values ($1, $2, $3)", [
        made!.lot_id,
        amount > 0 ? "grant" : "spend",
        amount,
      ]);
    }
    return made!.lot_id;
  }

  /** Makes lots of 100 that are due, the first one the longest. */
  async dueLots(howMany: number): Promise<string[]> {
    const made = await this.rows<{ lot_id: string }>(
      `with made as (
         insert into app.lots (account, expires_at)
         select 'a', clock_timestamp() - interval '1 day' + n * interval '1 second' from generate_series(1, $1::int) as n
         returning lot_id, expires_at
       ), granted as (
         insert into app.ledger_entries (lot_id, kind, amount_minor) select lot_id, 'grant', 100 from made
       )
       select lot_id from made order by expires_at`,
      [howMany],
    );
    return made.map(({ lot_id }) => lot_id);
  }

  async balance(lot: string): Promise<number> {
    const [found] = await this.rows<{ sum: string | null }>(
      "select sum(amount_minor) from app.ledger_entries where lot_id = $1",
      [lot],
    );
    return Number(found?.sum);
  }

  /** The sessions that hold or want the engine's lock of a job. */
  async engineLocks(): Promise<{ readonly pid: number; readonly granted: boolean }[]> {
    return await this.rows(
      `select l.pid, l.granted from pg_locks as l join pg_database as d on d.oid = l.database
       where d.datname = current_database() and l.locktype = 'advisory' and l.classid = 7261`,
    );
  }

  /** What each of these lots has, by how many expiry entries it came to that: `[["0", 1], …]` for lots that expired. */
  async expiries(lots: readonly string[]): Promise<(readonly [balance: number, expiries: number])[]> {
    const found = await this.rows<{ sum: number; n: number }>(
      `select sum(e.amount_minor)::int as sum, count(*) filter (where e.kind = 'expiry')::int as n
       from unnest($1::bigint[]) with ordinality as l (lot_id, place)
       left join app.ledger_entries as e using (lot_id) group by l.place order by l.place`,
      [lots],
    );
    return found.map(({ sum, n }) => [sum, n] as const);
  }

  /** A session that holds a lot, so that a run waits for it; what it did is undone by its `rollback`. */
  async holdLot(lot: string): Promise<Session> {
    const holder = await this.session();
    await holder.client.query("begin");
    await holder.client.query("select from app.lots where lot_id = $1 for update", [lot]);
    return holder;
  }

  /** Waits until the run in this session waits for a lock. */
  async untilWaiting(session: Pick<Session, "pid">): Promise<void> {
    await waitFor(
      async () =>
        (
          await this.rows(
            "select from pg_stat_activity where pid = $1 and state = 'active' and wait_event_type = 'Lock'",
            [session.pid],
          )
        ).length > 0,
      { what: "the session waits for a lock" },
    );
  }

  /** Waits until a session that got an error is idle: it hears of the error before it has let go of everything. */
  async untilIdle(session: Pick<Session, "pid">): Promise<void> {
    await waitFor(
      async () =>
        (await this.rows("select from pg_stat_activity where pid = $1 and state = 'idle'", [session.pid])).length > 0,
      { what: "the session is idle" },
    );
  }

  /** Waits until a backend that was terminated is gone. */
  async untilGone(session: Pick<Session, "pid">): Promise<void> {
    await waitFor(
      async () => (await this.rows("select from pg_stat_activity where pid = $1", [session.pid])).length === 0,
      { what: "the backend is gone" },
    );
  }

  /** Makes the expiry of these lots raise. The lots of another call raise no more; `heal` ends it. */
  async poison(lots: readonly string[], sqlstate: string): Promise<void> {
    await this.heal();
    await this.rows(
      `create function app.test_poison() returns trigger language plpgsql as $$ begin
         raise exception 'lot % is poisoned', new.lot_id using errcode = '${sqlstate}'; end $$`,
    );
    await this.rows(
      `create trigger test_poison before insert on app.ledger_entries for each row
       when (new.kind = 'expiry' and new.lot_id in (${lots.join(", ")})) execute function app.test_poison()`,
    );
  }

  async heal(): Promise<void> {
    await this.rows("drop trigger if exists test_poison on app.ledger_entries");
    await this.rows("drop function if exists app.test_poison()");
  }
}

/** Runs a statement and gives its error, or undefined. */
export async function errorOf(query: Promise<unknown>): Promise<(Error & { readonly code?: string }) | undefined> {
  return await query.then(
    () => undefined,
    (error: unknown) => error as Error,
  );
}
