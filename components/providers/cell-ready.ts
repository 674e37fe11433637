import type { CellAddress } from "../../converge/address.ts";
import { assertReady } from "../../converge/probe.ts";

/** Milliseconds for which a look at a cell counts: an up of a thousand merchants does not look a thousand times. */
const FRESH = 60_000;

const looks = new Map<string, { readonly at: number; readonly look: Promise<void> }>();

/**
 * Throws `cell_not_ready` where no job can run, whatever CellProbe found when it was looked at last: an up without a refresh
 * does not ask it, and would give jobs to a cell that does not run them.
 */
export function assertCellReady(address: CellAddress): Promise<void> {
  const key = `${address.cell} ${address.scheduler}`;
  const known = looks.get(key);
  if (known !== undefined && performance.now() - known.at < FRESH) return known.look;
  const look = assertReady(address);
  looks.set(key, { at: performance.now(), look });
  return look;
}
