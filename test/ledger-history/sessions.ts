import type pg from "pg";
import { pidOf, type TestLedger, valueOf } from "../ledger.ts";
import { waitFor } from "../server.ts";
import { sessionsAtOnce } from "./history.ts";

export type SessionKind = "application" | "runner";

/** The sessions of one database: each place has one of the application and one that runs jobs. */
export interface Sessions {
  readonly control: pg.Client;
  readonly application: (place: number) => pg.Client;
  readonly runner: (place: number) => pg.Client;
  /** Opens a session in the place of one that was ended, once the server has done with it. */
  readonly replace: (kind: SessionKind, place: number) => Promise<void>;
  /**
   * Waits until a session that may have got an error is idle: it hears of the error before the server has undone its
   * transaction, and until then a claim that it could not give back is a living one.
   */
  readonly untilIdle: (kind: SessionKind, place: number) => Promise<void>;
}

export async function openSessions(ledger: TestLedger): Promise<Sessions> {
  const open = { application: ledger.application, runner: ledger.superuser };
  const places = Array.from({ length: sessionsAtOnce }, (_, i) => i);
  const clients = {
    application: await Promise.all(places.map(open.application)),
    runner: await Promise.all(places.map(open.runner)),
  };
  const at = (kind: SessionKind, place: number) => {
    const client = clients[kind][place];
    if (client === undefined) throw new Error(`there is no session ${String(place)}`);
    return client;
  };
  return {
    control: ledger.control,
    application: (place) => at("application", place),
    runner: (place) => at("runner", place),
    replace: async (kind, place) => {
      const pid = pidOf(at(kind, place));
      await waitFor(
        () =>
          valueOf<boolean>(ledger.control, "select not exists (select from pg_stat_activity where pid = $1)", [pid]),
        { what: "the server has done with the session" },
      );
      clients[kind][place] = await open[kind]();
    },
    untilIdle: async (kind, place) => {
      const pid = pidOf(at(kind, place));
      await waitFor(
        () =>
          valueOf<boolean>(
            ledger.control,
            "select exists (select from pg_stat_activity where pid = $1 and state = 'idle')",
            [pid],
          ),
        { what: "the session is idle" },
      );
    },
  };
}
