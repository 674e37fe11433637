import { asSecret, isObject, isSecret } from "./values.ts";
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
  return paths.reduce<Props>((props, path) => keep(props, olds, parsePropertyPath(path), false) as Props, news);
}

/**
 * A path is followed as far as both sides have it, and one key beyond what was: that one is removed (properties_path.go,
 * reset). `hidden` is what was inside of a secret that is none any more.
 */
function keep(value: Json, old: Json | undefined, keys: readonly string[], hidden: boolean): Json {
  if (isSecret(value)) return { ...value, value: keep(value.value, isSecret(old) ? old.value : old, keys, false) };
  if (isSecret(old)) return keep(value, old.value, keys, true);
  const [key = "", ...rest] = keys;
  const kept = (part: Json, before: Json) => {
    if (rest.length > 0) return keep(part, before, rest, hidden);
    return hidden ? asSecret(before) : before;
  };
  if (Array.isArray(value)) {
    if (!Array.isArray(old)) return value as readonly Json[];
    const at = (i: number) => i < old.length && (key === "*" || i === Number(key));
    return value.map((part: Json, i) => (at(i) ? kept(part, old[i] as Json) : part));
  }
  if (!isObject(value) || (!isObject(old) && (rest.length > 0 || key === "*"))) return value;
  const before = isObject(old) ? old : {};
  const named = key === "*" ? Object.keys(rest.length > 0 ? value : { ...value, ...before }) : [key];
  return named.reduce<Props>((props, name) => {
    const { [name]: part, ...others } = props;
    const was = before[name];
    if (rest.length > 0) {
      if (part === undefined || (key === "*" && was === undefined)) return props;
      return { ...others, [name]: keep(part, was, rest, hidden) };
    }
    return was === undefined ? others : { ...others, [name]: kept(null, was) };
  }, value);
}
