import { MASTER_USER } from "./aws/rds-fields.ts";
import type { CellSpec } from "./cells.ts";
import type { MerchantSpec } from "./merchants.ts";
import type { Path, Report } from "./report.ts";

/** Reports cells that are one server: their merchants' names would meet there without this check seeing it. */
export function reportSharedServers(report: Report, path: Path, cells: readonly CellSpec[]): void {
  const owners = new Map<string, string>();
  for (const cell of cells) {
    const places = placesOf(cell);
    const address = places.find((place) => owners.has(place));
    const owner = address === undefined ? undefined : owners.get(address);
    for (const place of places) if (!owners.has(place)) owners.set(place, cell.name);
    if (owner === undefined) continue;
    const rule = `is the same server as the cell ${owner} (${address}): a server is one cell`;
    report.add([...path, cell.name], undefined, rule, `remove it and give its merchants cell: ${owner}`);
  }
}

/** By what two cells are found to be one server; an instance has an identifier, and may have a known address too. */
function placesOf(cell: CellSpec): readonly string[] {
  const at = ({ host, port }: { readonly host: string; readonly port: number }) => `${host.toLowerCase()} port ${port}`;
  switch (cell.kind) {
    case "local":
      return ["the local server"];
    case "server":
      return [at(cell)];
    case "rds":
      return [`the instance ${cell.identifier} in ${cell.region}`];
    case "adopted":
      return [`the instance ${cell.identifier} in ${cell.region}`, at(cell)];
    default:
      return cell satisfies never;
  }
}

/** Roles of a cell that no merchant's name may be. */
function administratorsOf(cell: CellSpec | undefined): readonly string[] {
  if (cell === undefined || cell.kind === "local") return [];
  return cell.kind === "rds" ? [cell.admin, MASTER_USER] : [cell.admin];
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

    const administrators = administratorsOf(cells.find(({ name }) => name === cell));
    const taken = [database, ownerRole, appRole, jobRole].find((name) => administrators.includes(name));
    if (taken === undefined) continue;
    const rule = `gives the name ${taken}, which is the administrator of the cell ${cell}`;
    report.add(at, database, rule, "choose another database name, or an administrator of another name");
  }
}
