import type { CellSpec } from "./cells.ts";
import type { MerchantSpec } from "./merchants.ts";
import type { Path, Report } from "./report.ts";

/** Reports cells that are one server: their merchants' names would meet there without this check seeing it. */
export function reportSharedServers(report: Report, path: Path, cells: readonly CellSpec[]): void {
  const owners = new Map<string, string>();
  for (const cell of cells) {
    const address = cell.kind === "local" ? "the local server" : `${cell.host.toLowerCase()} port ${cell.port}`;
    const owner = owners.get(address);
    if (owner === undefined) {
      owners.set(address, cell.name);
      continue;
    }
    const rule = `is the same server as the cell ${owner} (${address}): a server is one cell`;
    report.add([...path, cell.name], undefined, rule, `remove it and give its merchants cell: ${owner}`);
  }
}

/** Reports merchants of one cell that would share a database, and names that the cell's administrator has. */
export function reportNameCollisions(
  report: Report,
  path: Path,
  cells: readonly CellSpec[],
  merchants: readonly MerchantSpec[],
): void {
  const owners = new Map<string, string>();
  for (const { id, cell, database, ownerRole, appRole, jobRole } of merchants) {
    const at: Path = [...path, id, "database"];
    // Role names end in _owner, _app and _job, so that two merchants share a role only if they share the database.
    const key = `${cell}/${database}`;
    const owner = owners.get(key);
    if (owner === undefined) owners.set(key, id);
    else report.add(at, database, `is the database of ${owner} on the cell ${cell}`, "give each its own database name");

    const server = cells.find(({ name }) => name === cell);
    if (server?.kind !== "server") continue;
    const taken = [database, ownerRole, appRole, jobRole].find((name) => name === server.admin);
    if (taken === undefined) continue;
    const rule = `gives the name ${taken}, which is the administrator of the cell ${cell}`;
    report.add(at, database, rule, "choose another database name, or an administrator of another name");
  }
}
