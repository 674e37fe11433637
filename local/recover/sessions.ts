import { setTimeout as pause } from "node:timers/promises";
import type { CellAddress } from "../../converge/address.ts";
import { withCronSession } from "../../converge/session.ts";
import { RecoverError } from "./errors.ts";

/** Milliseconds to wait for statements that a dead run left behind. CREATE DATABASE takes seconds on a busy disk. */
const PATIENCE = 60_000;
const INTERVAL = 100;

interface Busy {
  readonly pid: number;
  readonly since: string;
  readonly application: string;
  readonly database: string | null;
}

/**
 * Waits until no session of the administrator is in the transaction that it is in now. A server goes on with a
 * statement whose client was killed: what it makes is not there yet when one looks too early. Gives how many there
 * were; throws `cell` when one does not end.
 */
export async function waitForSessions(address: CellAddress, patience = PATIENCE): Promise<number> {
  const end = performance.now() + patience;
  const first = await readBusy(address);
  for (let left = first; left.length > 0;) {
    if (performance.now() >= end) {
      const who = left.map(
        ({ pid, application, database, since }) =>
          `process ${String(pid)} (${application || "without a name"}, database ${database ?? "none"}, since ${since})`,
      );
      throw new RecoverError(
        "cell",
        `cell ${address.cell}: ${who.join(", ")} is still at work as ${address.user}; ` +
          "wait for it, or end it by select pg_terminate_backend(<process>), then run recover again",
      );
    }
    await pause(INTERVAL);
    const now = new Set((await readBusy(address)).map(keyOf));
    left = left.filter((busy) => now.has(keyOf(busy)));
  }
  return first.length;
}

function keyOf({ pid, since }: Busy): string {
  return `${String(pid)} ${since}`;
}

async function readBusy(address: CellAddress): Promise<readonly Busy[]> {
  return withCronSession(address, async (session) => {
    const rows = await session.query<Busy>(
      `select a.pid, a.xact_start::text as since, a.application_name as application, a.datname as database
       from pg_catalog.pg_stat_activity as a
       where a.usename = current_user and a.pid <> pg_catalog.pg_backend_pid()
         and a.backend_type = 'client backend' and a.xact_start is not null
       order by a.pid`,
    );
    return rows.rows;
  });
}
