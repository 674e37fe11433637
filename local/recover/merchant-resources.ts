import { makeUrn, nameOf, qualifiedTypeOf, typeOf } from "../engine/urn.ts";
import type { Resource, RosterInState } from "./deployment.ts";
import { type RosterEntry, rolesOf } from "./judge.ts";

/** The kinds of a merchant's resources whose creation fails when the object is there already (42710, 42P04). */
export type MadeOnce = "role" | "database";

/** Their types, and how components/merchant.ts names them after the merchant. */
const MADE_ONCE = {
  role: { type: "postgresql:index/role:Role", suffix: "-owner" },
  database: { type: "postgresql:index/database:Database", suffix: "-database" },
} as const satisfies Record<MadeOnce, { readonly type: string; readonly suffix: string }>;

const MERCHANT_TYPE = "merchant-jobs:index:Merchant";
const CELL_TYPE = "merchant-jobs:index:Cell";
const DYNAMIC = "pulumi-nodejs:dynamic/merchant-jobs:";

/** The type of the resource that makes a merchant's other two roles. */
export const ACCESS_TYPE = `${DYNAMIC}Access`;

/** Whether creating it again does no harm: our own resources converge, components and providers make nothing. */
export function isRepeatable({ custom, type }: Pick<Resource, "custom" | "type">): boolean {
  return !custom || type.startsWith(DYNAMIC) || type.startsWith("pulumi:providers:");
}

/** Which of the two it is; undefined for every other type. */
export function madeOnce({ type }: Pick<Resource, "type">): MadeOnce | undefined {
  return (["role", "database"] as const).find((kind) => MADE_ONCE[kind].type === type);
}

/** The merchant whose resource it is, by its parent; undefined for one of nobody's. */
export function merchantOf({ parent }: Pick<Resource, "parent">): string | undefined {
  return parent !== undefined && typeOf(parent) === MERCHANT_TYPE ? nameOf(parent) : undefined;
}

/** Makes the resources of merchants as the program would have registered them. */
export class MerchantResources {
  readonly #roster: Resource;
  readonly #stack: string;
  readonly #project: string;

  constructor({ resource }: RosterInState) {
    this.#roster = resource;
    // urn:pulumi:<stack>::<project>::<type>::<name>
    const [stack = "", project = ""] = resource.urn.slice("urn:pulumi:".length).split("::");
    this.#stack = stack;
    this.#project = project;
  }

  /** The URN of a merchant itself. */
  merchantUrn(id: string): string {
    return this.#urn("", MERCHANT_TYPE, id);
  }

  /** The URN of a merchant's owner role or database. */
  urnOf(id: string, kind: MadeOnce): string {
    return this.#urn(this.merchantUrn(id), MADE_ONCE[kind].type, `${id}${MADE_ONCE[kind].suffix}`);
  }

  /** The merchant itself, a component. */
  merchant({ id, leaving = false }: RosterEntry): Resource {
    const parent = this.#roster.parent;
    return {
      urn: this.merchantUrn(id),
      custom: false,
      type: MERCHANT_TYPE,
      ...(parent !== undefined && { parent }),
      protect: !leaving,
    };
  }

  /**
   * A merchant's owner role or database as an operation of the engine would hold it, without id and outputs; undefined
   * when the state does not have the cell's provider.
   */
  resource(entry: RosterEntry, kind: MadeOnce, resources: readonly Resource[]): Resource | undefined {
    const provider = resources.find(
      ({ urn }) => urn === this.#urn(this.#urn("", CELL_TYPE, entry.cell), "pulumi:providers:postgresql", entry.cell),
    );
    if (provider?.id === undefined) return undefined;
    const { ownerRole } = rolesOf(entry);
    const isKept = entry.leaving !== true;
    const merchant = this.merchantUrn(entry.id);
    const known = new Set(resources.map(({ urn }) => urn));
    const access = this.#urn(merchant, ACCESS_TYPE, `${entry.id}-access`);
    const probe = this.#urn(this.#urn("", CELL_TYPE, entry.cell), `${DYNAMIC}CellProbe`, `${entry.cell}-probe`);
    const needs = kind === "role" ? [this.#roster.urn, probe] : [access];
    return {
      urn: this.urnOf(entry.id, kind),
      custom: true,
      type: MADE_ONCE[kind].type,
      inputs: kind === "role" ? { name: ownerRole, login: false } : { name: entry.database, owner: ownerRole },
      parent: merchant,
      protect: isKept,
      dependencies: needs.filter((urn) => known.has(urn)),
      provider: `${provider.urn}::${provider.id}`,
      propertyDependencies: {},
      retainOnDelete: isKept,
    };
  }

  /** Whether a resource is the merchant or one of its own, at any depth: the type in its URN begins with the parent's. */
  belongsTo(id: string, { urn, parent }: Resource): boolean {
    const merchant = this.merchantUrn(id);
    return urn === merchant || (parent === merchant && qualifiedTypeOf(urn).startsWith(`${MERCHANT_TYPE}$`));
  }

  #urn(parent: string, type: string, name: string): string {
    return makeUrn(this.#stack, this.#project, parent, type, name);
  }
}
