import { randomBytes } from "node:crypto";

import type { CheckFailure, CheckResult, DiffResult, PropertyChange } from "../provider.ts";
import { nameOf } from "../urn.ts";
import { equal, UNKNOWN } from "../values.ts";
import type { Json, Props } from "../values.ts";

/** What the Terraform provider's schema says of one attribute. */
interface Attribute {
  readonly kind: "string" | "number" | "boolean" | "list" | "set";
  /** The value that an absent input means; an input of this value is written even when the program gives none. */
  readonly fallback?: string | number | boolean;
  /** Decided by the server where the program says nothing. */
  readonly computed?: true;
  /** Cannot be changed in place. */
  readonly replaces?: true;
  /** Never in the outputs. */
  readonly writeOnly?: true;
  readonly least?: number;
}

export type Attributes = Readonly<Record<string, Attribute>>;

/** Notes for the real provider: which inputs are defaults. */
const DEFAULTS_KEY = "__defaults";
/** A scalar as text; what is no scalar is none. */
export function textOf(value: Json | undefined): string {
  return value === undefined || value === null || typeof value === "object" ? "" : String(value);
}

const zeros = { string: "", number: 0, boolean: false, list: [], set: [] } as const;

/** What an absent value of the attribute amounts to. */
export function absent(attribute: Attribute): Json {
  return attribute.fallback ?? zeros[attribute.kind];
}

/**
 * The inputs with defaults, as the real provider completes them; a name that is missing is made from the resource's. A
 * default of before is kept as the state has it; where the state has no list of them, everything counts as one
 * (pulumi-terraform-bridge, pkg/tfbridge/schema.go, applyDefaults).
 */
export function checkInputs(attributes: Attributes, urn: string, olds: Props, news: Props): CheckResult {
  const given = Object.fromEntries(
    Object.entries(news).filter(([key, value]) => key !== DEFAULTS_KEY && value !== null),
  );
  const completed: Record<string, Json> = { ...given };
  const defaults: string[] = [];
  const before = olds[DEFAULTS_KEY];
  const kept = (key: string) => (!Array.isArray(before) || before.includes(key) ? olds[key] : undefined);
  const complete = (key: string, value: () => Json) => {
    if (completed[key] !== undefined) return;
    completed[key] = kept(key) ?? value();
    defaults.push(key);
  };
  complete("name", () => `${nameOf(urn)}-${randomBytes(4).toString("hex").slice(0, 7)}`);
  for (const [key, { fallback }] of Object.entries(attributes)) if (fallback) complete(key, () => fallback);
  completed[DEFAULTS_KEY] = defaults.sort();
  const failures = Object.entries(given).flatMap(([key, value]): CheckFailure[] => {
    const attribute = attributes[key];
    if (!attribute)
      return [{ property: key, reason: `it is unknown; there are ${Object.keys(attributes).sort().join(", ")}` }];
    const { least } = attribute;
    if (least === undefined || value === UNKNOWN || Number(value) >= least) return [];
    return [{ property: key, reason: `expected ${key} to be at least (${least}), got ${textOf(value)}` }];
  });
  return { inputs: completed, failures };
}

/** The differences between what exists and what is wanted, by attribute. */
export function diffAttributes(attributes: Attributes, outputs: Props, inputs: Props): DiffResult {
  const detailed: Record<string, PropertyChange> = {};
  for (const [key, attribute] of Object.entries(attributes)) {
    if (attribute.writeOnly || !isChanged(attribute, outputs[key], inputs[key])) continue;
    const [before, after] = [outputs[key] ?? null, inputs[key] ?? null];
    detailed[key] = before === null ? "add" : after === null ? "delete" : "update";
  }
  const changed = Object.keys(detailed);
  return {
    changes: changed.length > 0 ? "some" : "none",
    replaces: changed.filter((key) => attributes[key]?.replaces),
    detailed,
  };
}

/** Whether the wanted value differs from the one that exists. */
export function isChanged(attribute: Attribute, existing: Json | undefined, wanted: Json | undefined): boolean {
  if ((wanted === undefined || wanted === null) && attribute.computed) return false;
  const normal = (value: Json | undefined): Json => {
    const own = value ?? absent(attribute);
    return attribute.kind === "set" && Array.isArray(own) ? [...(own as readonly Json[])].sort() : own;
  };
  return !equal(normal(existing), normal(wanted));
}

/**
 * The inputs of what was found: of an import all that is not a default, of a refresh the inputs that there were. What changed
 * is no default any more, so that the next check puts it right, unless every default has changed: then the list of them is
 * gone, and what was found stays until the program says otherwise (pulumi-terraform-bridge, pkg/tfbridge/schema.go,
 * extractInputsObject; defaults.go).
 */
export function inputsFound(attributes: Attributes, before: Props, outputs: Props): Props {
  const importing = Object.keys(before).length === 0;
  const found = Object.entries(attributes).flatMap(([key, attribute]): [string, Json][] => {
    const value = outputs[key] ?? null;
    if (attribute.writeOnly) return before[key] === undefined ? [] : [[key, before[key]]];
    if (value === null) return [];
    if (importing) return equal(value, absent(attribute)) ? [] : [[key, value]];
    return before[key] === undefined ? [] : [[key, value]];
  });
  const inputs: Props = Object.fromEntries(found);
  if (importing) return { ...inputs, [DEFAULTS_KEY]: [] };
  const unchanged = (key: Json) => typeof key === "string" && equal(inputs[key] ?? null, before[key] ?? null);
  const list = before[DEFAULTS_KEY];
  const defaults = Array.isArray(list) ? list.filter(unchanged) : [];
  return defaults.length === 0 ? inputs : { ...inputs, [DEFAULTS_KEY]: defaults };
}
