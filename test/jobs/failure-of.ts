import { readFileSync } from "node:fs";
import path from "node:path";

const checks = path.join(import.meta.dirname, "checks");

/** How a check failed: the SQLSTATE, when a statement did, and the line of the check, as it is written there. */
export function failureOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code, stack = "" } = error as Error & { readonly code?: string };
  // The innermost line that is a check's: an assertion, or the statement that the check sent.
  const [, file, line] = /\/checks\/([\w-]+\.ts):(\d+)/.exec(stack) ?? [];
  if (file === undefined) return error.message;
  const text = readFileSync(path.join(checks, file), "utf8").split("\n")[Number(line) - 1]?.trim() ?? "";
  return code === undefined || !/^[0-9A-Z]{5}$/.test(code) ? text : `${code} ${text}`;
}
