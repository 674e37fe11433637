import { equal, isObject } from "./values.ts";
import type { Json, Props } from "./values.ts";

/** The keys of a property path: `a.b`, `a["b.c"]`, `a[0]`, `*` for every key (sdk/go/common/resource/property_path.go). */
export function parsePropertyPath(path: string): readonly string[] {
  const keys: string[] = [];
  const pattern = /\[(\d+|\*)\]|\["((?:[^"\\]|\\.)*)"\]|([^.[\]]+)/g;
  for (const [, index, quoted, plain] of path.matchAll(pattern)) {
    keys.push(index ?? quoted?.replaceAll(/\\(.)/g, "$1") ?? plain ?? "");
  }
  return keys;
}

/**
 * The new inputs with what is at these paths taken from the old ones: what `ignoreChanges` means (step_generator.go,
 * processIgnoreChanges).
 */
export function keepOld(news: Props, olds: Props, paths: readonly string[]): Props {
  return paths.reduce<Props>((props, path) => keep(props, olds, parsePropertyPath(path)) as Props, news);
}

function keep(value: Json | undefined, old: Json | undefined, keys: readonly string[]): Json | undefined {
  const [key, ...rest] = keys;
  if (key === undefined) return old;
  if (key === "*") {
    const all = new Set([...Object.keys(isObject(value) ? value : {}), ...Object.keys(isObject(old) ? old : {})]);
    if (!Array.isArray(value))
      return [...all].reduce<Json | undefined>((kept, one) => keep(kept, old, [one, ...rest]), value);
    return value.map((part, i) => keep(part as Json, Array.isArray(old) ? (old[i] as Json) : undefined, rest) ?? null);
  }
  if (Array.isArray(value)) {
    const at = Number(key);
    const before = Array.isArray(old) ? (old[at] as Json | undefined) : undefined;
    return value.map((part, i) => (i === at ? (keep(part as Json, before, rest) ?? (part as Json)) : (part as Json)));
  }
  if (!isObject(value)) return rest.length === 0 && isObject(old) && value === undefined ? undefined : value;
  const before = isObject(old) ? old[key] : undefined;
  // A path that leads nowhere in both is no path; one that is missing on one side is added or removed.
  if (rest.length > 0 && value[key] === undefined) return value;
  const kept = keep(value[key], before, rest);
  if (equal(kept, value[key])) return value;
  const others = Object.fromEntries(Object.entries(value).filter(([k]) => k !== key));
  return kept === undefined ? others : { ...others, [key]: kept };
}
