import type { z } from "zod";
import type { Problem } from "./problems.ts";
import { hideSecrets, isCredentialKey } from "./redact.ts";
import { didYouMean } from "./suggest.ts";

/** The keys that lead to a value, from the config key on: `["merchant-jobs:cells", "home", "port"]`; in a list, from 0. */
export type Path = readonly [string, ...(string | number)[]];

/**
 * One key of an object: the shape of its value, the rule in words, and what to do when it does not hold. What it means, and
 * what it is when it is left out, stand in docs/configuration.md, which `npm run docs` makes of them.
 */
export interface Field {
  readonly schema: z.ZodType;
  readonly about: string;
  readonly default?: string;
  readonly rule: string;
  readonly fix: string;
  readonly required?: true;
}

export type FieldValues<F extends Readonly<Record<string, Field>>> = {
  readonly [K in keyof F]: z.output<F[K]["schema"]> | undefined;
};

/** Gathers problems while a configuration is read; reading goes on after each. SpecError cleans the values it shows. */
export class Report {
  readonly #problems: Problem[] = [];

  get problems(): readonly Problem[] {
    return this.#problems;
  }

  /** Adds a problem. The value is left out when the keys that lead to it say that it may be a credential. */
  add(path: Path, value: unknown, rule: string, fix: string): void {
    // Below the name of a cell or merchant, which is the second key, that name says nothing: it may be token_shop.
    const secret = path.some((key, index) => isCredentialKey(String(key)) && (index !== 1 || path.length === 2));
    this.#problems.push({
      path: writePath(path),
      ...(!secret && value !== undefined && { value }),
      rule,
      fix,
    });
  }

  /** The entries of a map from names to things; a problem and nothing when it is something else. */
  readMap(path: Path, raw: unknown, what: string, example: string): readonly (readonly [string, unknown])[] {
    if (isObject(raw)) return Object.entries(raw);
    const rule = raw === undefined ? `is missing: it maps ${what}` : `must map ${what}`;
    this.add(path, raw, rule, `write it as ${example}`);
    return [];
  }

  /**
   * Reads an object by a table of its fields. A field that is absent or wrong is undefined in the result, so that the
   * caller can go on with the others; a key that is not in the table is a problem. Undefined when it is no object.
   */
  readFields<const F extends Readonly<Record<string, Field>>>(
    path: Path,
    raw: unknown,
    fields: F,
    example: string,
  ): FieldValues<F> | undefined {
    if (!isObject(raw)) {
      this.add(path, raw, "must be a map of settings", `write it as ${example}`);
      return undefined;
    }
    for (const key of Object.keys(raw))
      if (!Object.hasOwn(fields, key)) this.unknownKey(path, key, Object.keys(fields));
    const values = Object.entries(fields).map(([key, field]) => {
      return [key, this.#readField([...path, key], raw[key], field)];
    });
    return Object.fromEntries(values) as FieldValues<F>;
  }

  /** Adds the problem of a key that nothing reads. Its value is never shown: it may be anything. */
  unknownKey(path: Path, key: string, known: readonly string[]): void {
    const fix = isCredentialKey(key)
      ? "take it out; say where the credential is: credential: {env: NAME} or credential: {config: key}"
      : didYouMean(key, known);
    this.add([...path, key], undefined, "is not a setting that exists", fix);
  }

  #readField(path: Path, value: unknown, { schema, rule, fix, required }: Field): unknown {
    if (value === undefined) {
      if (required) this.add(path, undefined, `is missing: it ${rule}`, fix);
      return undefined;
    }
    const parsed = schema.safeParse(value);
    if (parsed.success) return parsed.data;
    this.add(path, value, rule, fix);
    return undefined;
  }
}

/** A path as `pulumi config set --path` takes it: keys that are no plain words stand in brackets and quotes. */
export function writePath([first, ...rest]: Path): string {
  return rest.reduce<string>((path, key) => {
    if (typeof key === "number") return `${path}[${key}]`;
    return path + (/^[\w-]+$/.test(key) ? `.${key}` : `[${JSON.stringify(hideSecrets(key))}]`);
  }, first);
}

/** Says whether a value is a map, as JSON and YAML know it. */
export function isObject(raw: unknown): raw is Readonly<Record<string, unknown>> {
  return typeof raw === "object" && raw !== null && !Array.isArray(raw);
}
