import { nameOf, qualifiedTypeOf, typeOf } from "../local/engine/urn.ts";
import type { SeenState } from "./engine-events.ts";

/** Whose a resource is: a merchant's, a cell's own, or the whole stack's. */
export interface Owner {
  readonly kind: "merchant" | "cell" | "stack";
  /** Id of the merchant, name of the cell, or empty. */
  readonly name: string;
}

/** The short name of a resource's type: `Crontab` of `pulumi-nodejs:dynamic/merchant-jobs:Crontab`. */
export function kindOf(urn: string): string {
  return typeOf(urn).split(":").at(-1) ?? "";
}

const COMPONENTS: Readonly<Record<string, Owner["kind"]>> = {
  "merchant-jobs:index:Merchant": "merchant",
  "merchant-jobs:index:Cell": "cell",
};

/** Finds whose a resource is by its component, which the URN holds: `…Merchant$…Crontab::acme-crontab`. */
export function ownerOf(urn: string, state?: SeenState): Owner {
  const own = COMPONENTS[typeOf(urn)];
  if (own !== undefined) return { kind: own, name: nameOf(urn) };
  const types = qualifiedTypeOf(urn).split("$");
  const kind = types.map((type) => COMPONENTS[type]).find((found) => found !== undefined);
  if (kind === undefined) return { kind: "stack", name: "" };
  const parent = state?.parent ?? "";
  if (COMPONENTS[typeOf(parent)] === kind) return { kind, name: nameOf(parent) };
  // A child is named after its component: `acme-crontab`, `eu-1-cron`. The names of cells may have dashes themselves.
  const name = nameOf(urn);
  return { kind, name: kind === "merchant" ? (name.split("-")[0] ?? name) : name.replace(/-(?:cron|probe)$/, "") };
}

/** The cell that a resource is in: it says so, or its provider is named after it; undefined for the stack's own. */
export function cellOf(urn: string, state: SeenState | undefined): string | undefined {
  const owner = ownerOf(urn, state);
  if (owner.kind === "cell") return owner.name;
  const cell = state?.inputs?.["cell"];
  if (typeof cell === "string") return cell;
  const provider = (state?.provider ?? "").split("::").slice(0, 4).join("::");
  return kindOf(provider) === "postgresql" || typeOf(provider) === "pulumi:providers:postgresql"
    ? nameOf(provider)
    : undefined;
}
