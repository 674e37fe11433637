import { type CellAddress, resolveAddress } from "../../converge/address.ts";
import { ConvergeError } from "../../converge/errors.ts";
import type { CellSpec } from "../../spec/cells.ts";
import { parseStack } from "../../spec/stack.ts";
import type { StackEngine } from "./engine.ts";
import { RecoverError } from "./errors.ts";

/**
 * Where the named cells are, with their credentials: from the stack's configuration as the engine gives it, secrets
 * opened. Throws `cell` for a cell that is not in it, and the ConvergeError of a credential that is not there.
 */
export async function resolveCells(
  engine: StackEngine,
  names: readonly string[],
): Promise<ReadonlyMap<string, CellAddress>> {
  const { addresses, unresolved } = await resolveEach(engine, names);
  for (const error of unresolved.values()) throw error;
  return addresses;
}

/** Cells of which some may have no address: that of one is no reason not to look at the others. */
export interface ResolvedCells {
  readonly addresses: ReadonlyMap<string, CellAddress>;
  /** Why, by cell: a credential that is not there, or an instance that AWS does not show. */
  readonly unresolved: ReadonlyMap<string, ConvergeError>;
}

/** As `resolveCells`, and keeps the ConvergeError of each cell whose address cannot be found. */
export async function resolveEach(engine: StackEngine, names: readonly string[]): Promise<ResolvedCells> {
  const addresses = new Map<string, CellAddress>();
  const unresolved = new Map<string, ConvergeError>();
  if (names.length === 0) return { addresses, unresolved };
  const written: unknown = JSON.parse(await engine.run(["config", "get", "merchant-jobs:cells"]));
  const { cells } = parseStack({ cells: written, merchants: {} });
  const found = names.map((name) => {
    const cell = cells[name];
    if (cell) return cell;
    throw new RecoverError("cell", `cell ${name} is not in merchant-jobs:cells of the stack: put its line back`);
  });
  const secrets = new Map<string, string>();
  for (const key of found.flatMap(secretKey)) secrets.set(key, await readSecret(engine, key));
  const resolve = async (cell: CellSpec) => {
    try {
      addresses.set(cell.name, await resolveAddress(cell, (key) => secrets.get(key)));
    } catch (error) {
      if (!(error instanceof ConvergeError)) throw error;
      unresolved.set(cell.name, error);
    }
  };
  await Promise.all(found.map(resolve));
  return { addresses, unresolved };
}

function secretKey(cell: CellSpec): readonly string[] {
  return cell.kind === "server" && "config" in cell.credential ? [cell.credential.config] : [];
}

/** The engine ends the value with a newline of its own. */
async function readSecret(engine: StackEngine, key: string): Promise<string> {
  return (await engine.run(["config", "get", key])).replace(/\n$/, "");
}
