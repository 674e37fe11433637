import { parsePropertyPath } from "./property-path.ts";
import type { PropertyChange } from "./provider.ts";
import type { Json, Props } from "./values.ts";
import { equal, isObject, isSecret, UNKNOWN, withoutSecrets } from "./values.ts";

/** What changed in one value: its sign, and the lines that say it. */
export interface Change {
  readonly kind: PropertyChange;
  readonly key: string;
  readonly old?: Json | undefined;
  readonly new?: Json | undefined;
  /** The changes inside, where both sides are objects or lists. */
  readonly parts?: readonly Change[] | undefined;
}

/** Notes of providers to themselves, and the text of dynamic providers. */
const isInternal = (key: string) => key.startsWith("__");

/** The differences between two sets of properties, sorted by key. */
export function diffProps(olds: Props, news: Props): readonly Change[] {
  const keys = new Set([...Object.keys(olds), ...Object.keys(news)].filter((key) => !isInternal(key)));
  return [...keys].sort().flatMap((key) => diffValue(key, olds[key], news[key]));
}

function diffValue(key: string, a: Json | undefined, b: Json | undefined): readonly Change[] {
  const [old, next] = [a ?? undefined, b ?? undefined];
  if (equal(old, next) || (old === undefined && next === undefined)) return [];
  if (old === undefined) return [{ kind: "add", key, new: next }];
  if (next === undefined) return [{ kind: "delete", key, old }];
  if (isSecret(old) || isSecret(next))
    return equal(withoutSecrets(old), withoutSecrets(next)) ? [] : [{ kind: "update", key, old, new: next }];
  if (isObject(old) && isObject(next)) {
    const parts = diffProps(old, next);
    return parts.length > 0 ? [{ kind: "update", key, parts }] : [];
  }
  if (Array.isArray(old) && Array.isArray(next)) {
    const count = Math.max(old.length, next.length);
    const parts = Array.from({ length: count }, (_, i) => diffValue(`[${i}]`, old[i] as Json, next[i] as Json)).flat();
    return [{ kind: "update", key, parts }];
  }
  return [{ kind: "update", key, old, new: next }];
}

/** The differences that a provider names by path, with the values on both sides. */
export function diffPaths(
  detailed: Readonly<Record<string, PropertyChange>>,
  olds: Props,
  news: Props,
): readonly Change[] {
  return Object.keys(detailed)
    .sort()
    .map((path) => {
      const keys = parsePropertyPath(path);
      const at = (props: Props) => keys.reduce<Json | undefined>((v, k) => (isObject(v) ? v[k] : undefined), props);
      return { kind: detailed[path] ?? "update", key: path, old: at(olds), new: at(news) };
    });
}

/** How lines begin that say a change. */
export const CHANGE_SIGNS: Readonly<Record<PropertyChange, string>> = { add: "+", update: "~", delete: "-" };

/** The changes as lines, nested as the CLI nests them: `~ schedule: "0 2 * * *" => "30 2 * * *"`. */
export function describeChanges(changes: readonly Change[], indent: string): readonly string[] {
  return changes.flatMap(({ kind, key, old, new: next, parts }) => {
    const sign = CHANGE_SIGNS[kind];
    if (parts) {
      const [open, close] = parts.every((part) => part.key.startsWith("[")) ? ["[", "]"] : ["{", "}"];
      return [`${indent}${sign} ${key}: ${open}`, ...describeChanges(parts, `${indent}    `), `${indent}  ${close}`];
    }
    if (kind === "add") return [`${indent}${sign} ${key}: ${showValue(next, indent)}`];
    if (kind === "delete") return [`${indent}${sign} ${key}: ${showValue(old, indent)}`];
    return [`${indent}${sign} ${key}: ${showValue(old, indent)} => ${showValue(next, indent)}`];
  });
}

/** A value for people: no secret, no placeholder of an unknown. */
export function showValue(value: Json | undefined, indent = ""): string {
  if (value === undefined || value === null) return "null";
  if (isSecret(value)) return "[secret]";
  if (value === UNKNOWN) return "[unknown]";
  if (Array.isArray(value))
    return value.length === 0
      ? "[]"
      : block(
          "[",
          value.map((v) => showValue(v as Json, `${indent}    `)),
          "]",
          indent,
        );
  if (!isObject(value)) return JSON.stringify(value);
  const entries = Object.entries(value).filter(([key]) => !isInternal(key));
  if (entries.length === 0) return "{}";
  return block(
    "{",
    entries.map(([key, v]) => `${key}: ${showValue(v, `${indent}    `)}`),
    "}",
    indent,
  );
}

function block(open: string, lines: readonly string[], close: string, indent: string): string {
  return [open, ...lines.map((line) => `${indent}      ${line}`), `${indent}  ${close}`].join("\n");
}
