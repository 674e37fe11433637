import * as fc from "fast-check";
import { openLedger } from "../ledger.ts";
import { freshName } from "../server.ts";
import { history } from "./history.ts";
import { playHistory } from "./play.ts";
import { openSessions } from "./sessions.ts";

export interface HistoriesOptions {
  /** The start of the merchants' ids; what is made is the caller's to drop. */
  readonly prefix: string;
  readonly histories: number;
  readonly seed: number;
  /** In how many databases at once. */
  readonly atOnce: number;
  /** Begins no new history after it. Default: none. */
  readonly budgetMs?: number | undefined;
}

/** Plays random histories, and gives how many. Throws the first that breaks a rule, made as short as it could be. */
export async function runHistories({ prefix, histories, seed, atOnce, budgetMs }: HistoriesOptions): Promise<number> {
  let played = 0;
  const worker = async (place: number) => {
    const ledger = await openLedger(`${prefix}${String(place)}`);
    try {
      // Small batches: a run of a few lots is one of several transactions.
      await ledger.control.query(
        `update app.jobs set batch_size = 2, due_from = '-infinity', enabled = name <> 'history_cleanup'`,
      );
      const sessions = await openSessions(ledger);
      const property = fc.asyncProperty(history, async (one) => {
        await playHistory(sessions, freshName("account"), one);
        played += 1;
      });
      await fc.assert(property, {
        seed: seed + place,
        numRuns: Math.ceil(histories / atOnce),
        ...(budgetMs !== undefined && { interruptAfterTimeLimit: budgetMs, markInterruptAsFailure: false }),
      });
    } finally {
      await ledger.end();
    }
  };
  await Promise.all(Array.from({ length: atOnce }, (_, place) => worker(place)));
  return played;
}
