import { isAlive } from "../engine/stack-store.ts";
import { adoptMerchant } from "./adopt.ts";
import { type Deployment, deploymentOf, parseExported, withDeployment } from "./deployment.ts";
import { resolveCells } from "./cells.ts";
import type { StackEngine } from "./engine.ts";
import { existing, lookForTraces, planForget, rosterEntry } from "./forget.ts";
import type { RosterEntry } from "./judge.ts";
import { assertDead, readLocks } from "./locks.ts";
import { lookAtCell } from "./look.ts";
import { type Line, merchantsToLookAt, planRecovery } from "./plan.ts";
import { endLeftOvers } from "./processes.ts";
import type { CellFacts } from "./server-facts.ts";
import { waitForSessions } from "./sessions.ts";
import { removeHalfWritten, repairState } from "./state-files.ts";

/** Tells a person of each thing as it is done or refused. */
export type Tell = (line: Line) => void;

/**
 * Makes a stack usable again after a run that was killed. Gives whether something was refused, which is then left to a
 * person; otherwise the next `up` converges. Throws RecoverError, and the ConvergeError of a cell that cannot be asked.
 */
export async function recover(engine: StackEngine, tell: Tell): Promise<{ readonly refused: boolean }> {
  const did = (text: string) => {
    tell({ kind: "did", text });
  };
  await clearAway(engine, did);
  return changeState(engine, tell, async (before) => {
    const cells = await lookAround(engine, merchantsToLookAt(before), did);
    return planRecovery(before, cells);
  });
}

/** Takes a merchant of which nothing exists out of the state. Gives whether that was refused; throws as `recover`. */
export async function forget(engine: StackEngine, id: string, tell: Tell): Promise<{ readonly refused: boolean }> {
  return changeState(engine, tell, async (before) => {
    const entry = rosterEntry(before, id);
    const [address] = (await resolveCells(engine, [entry.cell])).values();
    if (address === undefined) return { deployment: before, lines: [] };
    await waitForSessions(address);
    const exists = existing(entry, await lookAtCell(address, [entry]), await lookForTraces(address, entry));
    if (exists.length === 0) {
      const text = `took merchant ${id} out of the roster and its resources out of the state: nothing of it is on cell ${entry.cell}`;
      return { deployment: planForget(before, id), lines: [{ kind: "did", text }] };
    }
    const text =
      `merchant ${id} stays in the roster, because on cell ${entry.cell} there is ${exists.join(", ")}; ` +
      "what is empty a person may drop there, cron jobs before roles, then this again; a merchant with data stays";
    return { deployment: before, lines: [{ kind: "refused", text }] };
  });
}

/**
 * Takes over a merchant's database that was made by hand, which the stack file declares. Throws as `recover`, and the
 * ConvergeError that says what must be done first.
 */
export async function adopt(engine: StackEngine, id: string, tell: Tell): Promise<{ readonly refused: boolean }> {
  return changeState(engine, tell, (before) => adoptMerchant(engine, id, before));
}

/** What does not need the state: locks, processes and files of the run that was killed. */
async function clearAway(engine: StackEngine, did: (text: string) => void): Promise<void> {
  const { files } = engine;
  const locks = files ? await readLocks(files.locks) : [];
  // First of all: what follows would do harm to a run that goes on.
  assertDead(locks, isAlive);
  for (const text of await endLeftOvers(engine.workingFolder)) did(text);
  if (locks.length > 0) {
    await engine.run(["cancel", "--yes"]);
    for (const { holder } of locks)
      did(holder ? `cleared the lock of process ${String(holder.pid)}, which is gone` : "cleared a torn lock");
  }
  if (files === undefined) return;
  for (const text of repairState(files.state)) did(text);
  for (const text of removeHalfWritten(files.state)) did(text);
}

async function changeState(
  engine: StackEngine,
  tell: Tell,
  decide: (before: Deployment) => Promise<{ readonly deployment: Deployment; readonly lines: readonly Line[] }>,
): Promise<{ readonly refused: boolean }> {
  const exported = parseExported(await engine.run(["stack", "export"]));
  const { deployment, lines } = await decide(deploymentOf(exported));
  if (lines.some(({ kind }) => kind === "did")) {
    // A run that began meanwhile would lose what it has written.
    if (engine.files) assertDead(await readLocks(engine.files.locks), isAlive);
    await engine.run(["stack", "import"], JSON.stringify(withDeployment(exported, deployment)));
  }
  lines.forEach(tell);
  return { refused: lines.some(({ kind }) => kind === "refused") };
}

async function lookAround(
  engine: StackEngine,
  merchants: readonly RosterEntry[],
  did: (text: string) => void,
): Promise<ReadonlyMap<string, CellFacts>> {
  const facts = new Map<string, CellFacts>();
  const addresses = await resolveCells(engine, [...new Set(merchants.map(({ cell }) => cell))]);
  for (const [name, address] of addresses) {
    const waited = await waitForSessions(address);
    if (waited > 0) did(`waited for sessions of cell ${name} that were still at work (${String(waited)})`);
    facts.set(
      name,
      await lookAtCell(
        address,
        merchants.filter(({ cell }) => cell === name),
      ),
    );
  }
  return facts;
}
