import { readFileSync } from "node:fs";
import path from "node:path";
import { sqlRoot } from "../../merchants.ts";
import type { Check } from "../checks/all.ts";

/** A fault that somebody could make in the SQL, and the check that finds it. */
export interface Mutation {
  readonly name: string;
  /** Below sql/merchant/. */
  readonly file: string;
  /** Stands in the file once, or `times`. */
  readonly from: string;
  readonly times?: number;
  readonly to: string;
  readonly check: Check;
  /** How it is found: the line of the check that fails, after the SQLSTATE when a statement does (failureOf). */
  readonly fails: string;
}

/** The statements that put a mutation into a database that has the unmutated engine. Throws when its text is not there. */
export function statementsOf(mutation: Mutation): string {
  const text = readFileSync(path.join(sqlRoot, "merchant", mutation.file), "utf8");
  const parts = text.split(mutation.from);
  if (parts.length - 1 !== (mutation.times ?? 1)) {
    throw new Error(`${mutation.name}: ${mutation.file} has this ${String(parts.length - 1)} times: ${mutation.from}`);
  }
  const mutated = parts.join(mutation.to);
  if (!mutation.file.includes("/migrations/")) return mutated;
  // A migration was applied already: the statement that is mutated is enough.
  const from = mutated.lastIndexOf("\n\n", parts[0]!.length);
  const line = mutated.indexOf(mutation.to, from);
  return mutated.slice(line, mutated.indexOf(";\n", line + mutation.to.length) + 1);
}
