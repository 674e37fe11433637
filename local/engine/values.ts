/** A property value as the SDK's gRPC protocol carries it: JSON, where secrets and unknown values are marked. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
/** The inputs or outputs of a resource. */
export type Props = Readonly<Record<string, Json>>;

/** The key that marks an object as a special value (sdk/go/common/resource/sig). */
export const SIGNATURE = "4dabf18193072939515e22adb298388d";
/** The signature of a secret: `{[SIGNATURE]: SECRET, value}` in memory, `{[SIGNATURE]: SECRET, ciphertext}` in the state. */
export const SECRET = "1b47061264138c4ac30d75fd1eb44270";
const ASSETS: readonly Json[] = ["c44067f5952c0a294b673a41bacd8c17", "0def7320c3a5731c473e5ecbe6d01bc7"];
/** What a preview gives for a value that only the update will know. */
export const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** Whether the value is an object with keys (no list, no null). */
export function isObject(value: Json | undefined): value is Props {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whether the value itself is a secret. */
export function isSecret(value: Json | undefined): value is { readonly value: Json } {
  return isObject(value) && value[SIGNATURE] === SECRET;
}

/** The value as a secret; a secret stays what it is. */
export function asSecret(value: Json): Json {
  return isSecret(value) ? value : { [SIGNATURE]: SECRET, value: withoutSecrets(value) };
}

/** Whether a part of the value, at any depth, satisfies the test. */
function some(value: Json | undefined, test: (part: Json) => boolean): boolean {
  if (value === undefined) return false;
  if (test(value)) return true;
  if (Array.isArray(value)) return value.some((part) => some(part as Json, test));
  return isObject(value) && Object.values(value).some((part) => some(part, test));
}

/** Whether there is a secret in the value, at any depth. */
export const hasSecret = (value: Json | undefined): boolean => some(value, isSecret);
/** Whether a part of the value is unknown, at any depth. */
export const hasUnknown = (value: Json | undefined): boolean => some(value, (part) => part === UNKNOWN);
/** Whether there is an asset or an archive in the value, at any depth. */
export const hasAsset = (value: Json | undefined): boolean =>
  some(value, (part) => isObject(part) && ASSETS.includes(part[SIGNATURE] ?? null));

/** A copy in which each part was replaced by what `change` gives; `undefined` keeps the part and goes into it. */
export function mapParts(value: Json, change: (part: Json) => Json | undefined): Json {
  const changed = change(value);
  if (changed !== undefined) return changed;
  if (Array.isArray(value)) return value.map((part) => mapParts(part as Json, change));
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, mapParts(part, change)]));
}

/** The value with every secret opened, at any depth: what a provider gets that does not accept secrets. */
export function withoutSecrets(value: Json): Json {
  return mapParts(value, (part) => (isSecret(part) ? withoutSecrets(part.value) : undefined));
}

/** The properties with every secret opened. */
export function plainProps(props: Props): Props {
  return withoutSecrets(props) as Props;
}

/**
 * The outputs, secret where the inputs of the same name are or contain a secret, so that a provider that knows no secrets
 * does not publish one (pkg/resource/plugin/provider_plugin.go, annotateSecrets).
 */
export function annotateSecrets(outputs: Props, inputs: Props): Props {
  return Object.fromEntries(
    Object.entries(outputs).map(([key, output]): [string, Json] => {
      const input = inputs[key];
      if (input === undefined) return [key, output];
      if (isObject(output) && isObject(input) && !isSecret(output) && !isSecret(input)) {
        return [key, annotateSecrets(output, input)];
      }
      return [key, hasSecret(input) ? asSecret(output) : output];
    }),
  );
}

/** Whether two values are the same, whatever the order of their keys; a missing key is not a null. */
export function equal(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((part, i) => equal(part as Json, b[i] as Json));
  }
  if (!isObject(a) || !isObject(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => key in b && equal(a[key], b[key]));
}
