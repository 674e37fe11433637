import type { ServerAddress } from "../converge/address.ts";
import { messageOf } from "../converge/errors.ts";
import { CRON_DATABASE } from "../converge/session.ts";
import type { Server } from "./connection.ts";
import {
  type CellKnowledge,
  failedAgain,
  type Knowledge,
  knowNothing,
  learnClock,
  NO_DAYS,
  schedulersOf,
} from "./knowledge.ts";
import { lookAtCell, visitMerchant } from "./look.ts";
import { steadyNow } from "./steady-clock.ts";
import { findTroubles, judge, sinceWhen } from "./trouble.ts";

/** Visits at once in a cell. */
const AT_ONCE = 4;
/** Milliseconds. What was seen a moment ago is never too old. */
const EVERY = { cell: 600_000, merchant: 600_000 };

/**
 * Looks at every cell and visits every merchant once. What cannot be reached is in what is known, and so is why a cell has no
 * address (`unresolved`); it throws nothing.
 */
export async function lookOnce(
  addresses: readonly ServerAddress[],
  unresolved: ReadonlyMap<string, Error> = new Map(),
): Promise<Knowledge> {
  const names = [...addresses.map(({ cell }) => cell), ...unresolved.keys()];
  // There is no time to wait for: what cannot be reached now is severe at once.
  const knowledge = { ...knowNothing(names, EVERY, 0), isOneLook: true };
  for (const [cell, error] of unresolved) {
    const known = knowledge.cells.get(cell);
    if (known) known.failure = failedAgain(undefined, messageOf(error), steadyNow());
  }
  await Promise.all(
    addresses.map(async (address) => {
      const known = knowledge.cells.get(address.cell);
      if (known) await fill(known, { cell: address.cell, address: () => address });
    }),
  );
  return knowledge;
}

async function fill(known: CellKnowledge, server: Server): Promise<void> {
  try {
    const look = await lookAtCell(server);
    const now = steadyNow();
    known.seenAt = now;
    known.launcher = look.launcher;
    learnClock(known, look);
    if (look.launcher === false) known.launcherGoneSince = now;
    for (const merchant of look.merchants) {
      const nothing = { knownSince: 0, seenAt: undefined, failure: undefined, jobs: [], days: NO_DAYS, crontab: [] };
      known.merchants.set(merchant.merchant, { ...merchant, ...nothing });
    }
  } catch (error) {
    known.failure = failedAgain(undefined, messageOf(error), steadyNow());
    return;
  }
  const left = [...known.merchants.values()];
  const visitAll = async () => {
    for (let merchant = left.shift(); merchant; merchant = left.shift()) {
      try {
        merchant.jobs = (await visitMerchant(server, merchant.database, false)).jobs;
        merchant.seenAt = steadyNow();
      } catch (error) {
        merchant.failure = failedAgain(undefined, messageOf(error), steadyNow());
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, visitAll));
}

/** Undefined for a cell as most are. */
function startedBy(cell: CellKnowledge): string | undefined {
  if (!schedulersOf(cell).includes("runner")) return undefined;
  const own = [...cell.merchants.values()].filter(({ scheduler }) => scheduler === "runner").length;
  const whose = own === cell.merchants.size ? "its merchants" : `${own} of its ${cell.merchants.size} merchants`;
  return `cell ${cell.cell}: the runner starts the jobs of ${whose}, not pg_cron`;
}

/** The answer for a terminal, trouble first, and whether something did not run. */
export function renderStatus(knowledge: Knowledge, now: number): { readonly text: string; readonly failed: boolean } {
  const troubles = findTroubles(knowledge, now);
  const { status, answer } = judge(knowledge, troubles);
  const lines = troubles.map(({ severe, text, next, runbook, ...trouble }) => {
    const when = sinceWhen(trouble);
    return [`  ${severe ? "!!" : " !"} ${text}${when}`, `       ${next}`, `       ${runbook}`].join("\n");
  });
  const cells = [...knowledge.cells.values()].map(startedBy).filter((line) => line !== undefined);
  const parts = [[answer], lines, cells].filter((part) => part.length > 0);
  return { text: parts.map((part) => part.join("\n")).join("\n\n"), failed: status === "failed" };
}

/** How to come into the cells that have a trouble, for the statements of the runbook. psql asks for the password. */
export function loginsFor(knowledge: Knowledge, addresses: readonly ServerAddress[], now: number): string {
  const troubled = new Set(findTroubles(knowledge, now).map(({ cell }) => cell));
  return addresses
    .filter(({ cell }) => troubled.has(cell))
    .map(
      ({ cell, host, port, user }) =>
        `cell ${cell}: psql --host ${host} --port ${port} --username ${user} --dbname ${CRON_DATABASE}`,
    )
    .join("\n");
}
