import { type CellAddress, resolveAddress } from "../../converge/address.ts";
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
  if (names.length === 0) return new Map();
  const written: unknown = JSON.parse(await engine.run(["config", "get", "merchant-jobs:cells"]));
  const { cells } = parseStack({ cells: written, merchants: {} });
  const found = names.map((name) => {
    const cell = cells[name];
    if (cell) return cell;
    throw new RecoverError("cell", `cell ${name} is not in merchant-jobs:cells of the stack: put its line back`);
  });
  const secrets = new Map<string, string>();
  for (const key of found.flatMap(secretKey)) secrets.set(key, await readSecret(engine, key));
  const addresses = found.map(
    async (cell) => [cell.name, await resolveAddress(cell, (key) => secrets.get(key))] as const,
  );
  return new Map(await Promise.all(addresses));
}

function secretKey(cell: CellSpec): readonly string[] {
  return cell.kind === "server" && "config" in cell.credential ? [cell.credential.config] : [];
}

/** The engine ends the value with a newline of its own. */
async function readSecret(engine: StackEngine, key: string): Promise<string> {
  return (await engine.run(["config", "get", key])).replace(/\n$/, "");
}
