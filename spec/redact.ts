const HIDDEN = "(not shown)";

/** Keys under which people keep credentials, misspelt ones included. */
const CREDENTIAL_KEY = /pas+w|passp?hrase|pwd|secret|credential|token|private|api_?key|dsn|conn.*str|ur[il]$/i;

/** Texts that carry a credential wherever they stand: `user:password@host`, `password=…`, a private key. */
const CREDENTIAL_TEXT = /:[^\s@]*@|(?:pas+w\w*|pwd|secret|token)\s*[=:]|PRIVATE KEY/i;

/** Says whether what stands under this key may be a credential and must not be shown. */
export function isCredentialKey(key: string): boolean {
  return CREDENTIAL_KEY.test(key);
}

/** A copy of a value in which nothing that looks like a credential is left, by key or by text, at any depth. */
export function hideSecrets(value: unknown): unknown {
  if (typeof value === "string") return CREDENTIAL_TEXT.test(value) ? HIDDEN : value;
  if (Array.isArray(value)) return value.map(hideSecrets);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, isCredentialKey(key) ? HIDDEN : hideSecrets(inner)]),
  );
}
