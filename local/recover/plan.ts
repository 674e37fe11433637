import { nameOf, typeOf } from "../engine/urn.ts";
import {
  type Deployment,
  insertResource,
  type PendingOperation,
  type Resource,
  type RosterInState,
  rosterIn,
} from "./deployment.ts";
import {
  databaseOutputs,
  judgeDatabase,
  judgeRole,
  roleOutputs,
  type RosterEntry,
  rolesOf,
  type Verdict,
} from "./judge.ts";
import {
  ACCESS_TYPE,
  isRepeatable,
  type MadeOnce,
  madeOnce,
  merchantOf,
  MerchantResources,
} from "./merchant-resources.ts";
import type { CellFacts } from "./server-facts.ts";

/** One thing that a recovery does or refuses, as a line for a person. */
export interface Line {
  readonly kind: "did" | "refused";
  readonly text: string;
}

/** What the state becomes, and why. */
export interface RecoveryPlan {
  readonly deployment: Deployment;
  readonly lines: readonly Line[];
}

/** The merchants of the roster that must be looked for on the server: all that the state does not have completely. */
export function merchantsToLookAt({ resources, pending }: Deployment): readonly RosterEntry[] {
  const roster = rosterIn(resources);
  if (roster === undefined) return [];
  const names = new MerchantResources(roster);
  const known = new Set(resources.map(({ urn }) => urn));
  const touched = new Set(
    pending
      .filter(({ type }) => type === "creating" || type === "deleting")
      .map(({ resource }) => merchantOf(resource)),
  );
  return entriesOf(roster).filter(
    ({ id }) => touched.has(id) || !known.has(names.urnOf(id, "role")) || !known.has(names.urnOf(id, "database")),
  );
}

/**
 * Decides what becomes of each pending operation, and of objects on the server that the state does not know. `cells`
 * has what was found of `merchantsToLookAt`, by the cell's name.
 */
export function planRecovery(before: Deployment, cells: ReadonlyMap<string, CellFacts>): RecoveryPlan {
  const roster = rosterIn(before.resources);
  const planner = new Planner(before.resources, roster, cells);
  for (const operation of before.pending) planner.settle(operation);
  if (roster) for (const entry of merchantsToLookAt(before)) planner.findLost(entry);
  return planner.plan();
}

/** Puts a merchant's owner role and database, which are on the server, into the state. */
export function planAdoption(before: Deployment, entry: RosterEntry, cell: CellFacts): RecoveryPlan {
  const planner = new Planner(
    before.resources,
    rosterIn(before.resources),
    new Map([[entry.cell, cell]]),
    before.pending,
  );
  planner.findLost(entry);
  return planner.plan();
}

function entriesOf({ merchants }: RosterInState): readonly RosterEntry[] {
  return Object.entries(merchants).map(([id, { cell, database, offboard }]) => ({
    id,
    cell,
    database,
    ...(offboard !== undefined && { leaving: true }),
  }));
}

class Planner {
  #resources: readonly Resource[];
  readonly #roster: RosterInState | undefined;
  readonly #names: MerchantResources | undefined;
  readonly #cells: ReadonlyMap<string, CellFacts>;
  readonly #kept: PendingOperation[];
  readonly #lines: Line[] = [];
  /** What a pending operation decided already. */
  readonly #settled = new Set<string>();

  constructor(
    resources: readonly Resource[],
    roster: RosterInState | undefined,
    cells: ReadonlyMap<string, CellFacts>,
    kept: readonly PendingOperation[] = [],
  ) {
    this.#kept = [...kept];
    this.#resources = resources;
    this.#roster = roster;
    this.#names = roster && new MerchantResources(roster);
    this.#cells = cells;
  }

  plan(): RecoveryPlan {
    return { deployment: { resources: this.#resources, pending: this.#kept }, lines: this.#lines };
  }

  settle(operation: PendingOperation): void {
    const { type, resource } = operation;
    const name = labelOf(resource);
    const kind = madeOnce(resource);
    if (type === "deleting" && kind !== undefined && this.#isGone(resource, kind)) {
      // The provider of PostgreSQL cannot delete it again: it fails on one that is not there.
      this.#resources = this.#resources.filter((one) => !(one.urn === resource.urn && one.id === resource.id));
      this.#did(`took ${name} out of the state: it was deleted, and the state did not know yet`);
    } else if (type !== "creating") {
      this.#did(`dropped the pending ${nounOf(type)} of ${name}: the state keeps the resource, the next up goes on`);
    } else if (this.#resources.some(({ urn, delete: old }) => urn === resource.urn && old !== true)) {
      this.#did(`dropped the pending creation of ${name}: the state has it already`);
    } else if (kind !== undefined) {
      this.#settleMadeOnce(operation, kind);
    } else if (resource.type === ACCESS_TYPE) {
      this.#settleAccess(operation);
    } else if (isRepeatable(resource)) {
      this.#did(`dropped the pending creation of ${name}: the next up does it again from what it finds`);
    } else {
      this.#refuse(
        operation,
        `recover knows no resources of type ${resource.type}`,
        "look whether it exists, and import it by the Pulumi CLI",
      );
    }
  }

  /** Objects that the state names nowhere: a creation that failed after the server had committed it, or an older state. */
  findLost(entry: RosterEntry): void {
    for (const kind of ["role", "database"] as const) {
      const urn = this.#names?.urnOf(entry.id, kind) ?? "";
      if (this.#settled.has(urn) || this.#resources.some((one) => one.urn === urn)) continue;
      const cell = this.#cells.get(entry.cell);
      const base = this.#names?.resource(entry, kind, this.#resources);
      if (cell === undefined) continue;
      const name = objectOf(entry, kind);
      const verdict = judge(entry, kind, cell);
      if (verdict.kind === "absent") continue;
      if (verdict.kind === "foreign")
        this.#say("refused", `${name} is not in the state: ${verdict.reason}; ${verdict.fix}`);
      else if (base === undefined) {
        this.#say(
          "refused",
          `${name} is not in the state, and neither is the provider of cell ${entry.cell}: run up, then recover again`,
        );
      } else this.#import(base, entry, kind, cell, `which the state did not know: ${verdict.why}`);
    }
  }

  /** Whether the server was looked at and does not have it any more. */
  #isGone(resource: Resource, kind: MadeOnce): boolean {
    const entry = this.#entryOf(resource);
    const cell = entry && this.#cells.get(entry.cell);
    if (entry === undefined || cell === undefined) return false;
    const expected = kind === "role" ? rolesOf(entry).ownerRole : entry.database;
    return resource.id === expected && !(kind === "role" ? cell.roles : cell.databases).has(expected);
  }

  #settleMadeOnce(operation: PendingOperation, kind: MadeOnce): void {
    const { resource } = operation;
    this.#settled.add(resource.urn);
    const entry = this.#entryOf(resource);
    const expected = entry && (kind === "role" ? rolesOf(entry).ownerRole : entry.database);
    if (entry === undefined || resource.inputs?.["name"] !== expected) {
      const fix = "look whether it exists and whose it is; then import it by the Pulumi CLI, or drop it";
      this.#refuse(operation, "the roster in the state does not name it", fix);
      return;
    }
    const cell = this.#cells.get(entry.cell);
    const verdict = cell && judge(entry, kind, cell);
    if (cell === undefined || verdict === undefined) {
      this.#refuse(operation, `cell ${entry.cell} was not looked at`, "run recover again");
    } else if (verdict.kind === "absent") {
      this.#did(`dropped the pending creation of ${labelOf(resource)}: there is no ${objectOf(entry, kind)}`);
    } else if (verdict.kind === "foreign") {
      this.#refuse(operation, `${objectOf(entry, kind)} exists: ${verdict.reason}`, verdict.fix);
    } else {
      this.#import(resource, entry, kind, cell, verdict.why);
    }
  }

  /** Access takes over roles that it finds: right for those that it made itself, and for no others. */
  #settleAccess(operation: PendingOperation): void {
    const entry = this.#entryOf(operation.resource);
    const cell = entry && this.#cells.get(entry.cell);
    for (const name of entry && cell ? [rolesOf(entry).appRole, rolesOf(entry).jobRole] : []) {
      const verdict = entry && cell && judgeRole(name, entry, cell);
      if (verdict?.kind !== "foreign") continue;
      this.#refuse(operation, `role ${name} exists: ${verdict.reason}`, verdict.fix);
      return;
    }
    this.#did(
      `dropped the pending creation of ${labelOf(operation.resource)}: the next up does it again from what it finds`,
    );
  }

  #import(base: Resource, entry: RosterEntry, kind: MadeOnce, cell: CellFacts, why: string): void {
    const name = kind === "role" ? rolesOf(entry).ownerRole : entry.database;
    const role = cell.roles.get(name);
    const database = cell.databases.get(name);
    const outputs = kind === "role" ? role && roleOutputs(role) : database && databaseOutputs(database);
    const { parent } = base;
    if (this.#names && parent !== undefined && !this.#resources.some(({ urn }) => urn === parent)) {
      this.#resources = insertResource(this.#resources, this.#names.merchant(entry));
    }
    this.#resources = insertResource(this.#resources, { ...base, id: name, ...(outputs && { outputs }) });
    this.#did(`imported ${objectOf(entry, kind)}, ${why}`);
  }

  #entryOf(resource: Resource): RosterEntry | undefined {
    const id = merchantOf(resource);
    return this.#roster && entriesOf(this.#roster).find((entry) => entry.id === id);
  }

  #did(text: string): void {
    this.#say("did", text);
  }

  /** It stays pending, so that the next recovery looks at it again. */
  #refuse(operation: PendingOperation, reason: string, fix: string): void {
    this.#kept.push(operation);
    this.#say("refused", `the pending creation of ${labelOf(operation.resource)}: ${reason}; ${fix}`);
  }

  #say(kind: Line["kind"], text: string): void {
    this.#lines.push({ kind, text });
  }
}

function judge(entry: RosterEntry, kind: MadeOnce, cell: CellFacts): Verdict {
  return kind === "role" ? judgeRole(rolesOf(entry).ownerRole, entry, cell) : judgeDatabase(entry, cell);
}

function objectOf(entry: RosterEntry, kind: MadeOnce): string {
  const name = kind === "role" ? `role ${rolesOf(entry).ownerRole}` : `database ${entry.database}`;
  return `${name} of merchant ${entry.id} on cell ${entry.cell}`;
}

function labelOf({ urn }: Resource): string {
  return `${typeOf(urn).split(":").at(-1) ?? ""} ${nameOf(urn)}`;
}

function nounOf(type: string): string {
  const nouns: Readonly<Record<string, string>> = {
    updating: "update",
    deleting: "deletion",
    reading: "read",
    importing: "import",
  };
  return nouns[type] ?? type;
}
