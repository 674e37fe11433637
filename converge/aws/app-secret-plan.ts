import { z } from "zod";
import type { AppSecret } from "../../spec/aws/app-login.ts";

/** The tag that says whose a secret is: one of the same name without it is somebody else's. */
export const MERCHANT_TAG = "merchant-jobs:merchant";

/** What the secret of an application shall say. */
export interface SecretTarget {
  readonly secret: AppSecret;
  readonly merchant: string;
  readonly appRole: string;
  readonly host: string;
  readonly port: number;
  readonly database: string;
}

/** A value with which the application could log in: everything that is in it, and the password. */
export interface SecretValue {
  readonly fields: Readonly<Record<string, unknown>>;
  readonly password: string;
}

/** What there is of a secret. */
export type SecretFacts =
  | { readonly state: "gone" }
  | {
      /** `leaving`: it is scheduled for deletion. */
      readonly state: "there" | "leaving";
      /** The value of its tag. */
      readonly merchant: string | undefined;
      /** Undefined: the account's key. */
      readonly kmsKeyId: string | undefined;
      /** Undefined: there is none, or it is not of this role. */
      readonly value: SecretValue | undefined;
      /** Whether the server lets the role in by it, or by the one of a rotation that is under way; undefined: nobody asked. */
      readonly letsIn: boolean | undefined;
    };

/**
 * One change. `write` makes a new version of the value, with a new password or the one that it has; `let in` is the server's
 * part.
 */
export type SecretStep = "create" | "restore" | "encrypt" | "write new" | "write same" | "let in";

/** What a rotation function of Amazon's, and its console, expect in the secret of a database on RDS. */
export function wantedFields({ appRole, host, port, database }: SecretTarget): Readonly<Record<string, unknown>> {
  return { engine: "postgres", host, port, dbname: database, username: appRole };
}

const fieldsForm = z.looseObject({ username: z.string().optional(), password: z.string().min(1) });

/** Reads what is in a secret; undefined when it is no password of this role. */
export function parseValue(text: string | undefined, appRole: string): SecretValue | undefined {
  const parsed = fieldsForm.safeParse(parseJson(text));
  if (!parsed.success || (parsed.data.username ?? appRole) !== appRole) return undefined;
  return { fields: parsed.data, password: parsed.data.password };
}

/**
 * Decides how a secret, and the role's password, become what they shall be. The secret is written before the server's password
 * is set from it: whoever is stopped between the two leaves a value that the server refuses, and the next one sets it.
 */
export function planAppSecret(target: SecretTarget, found: SecretFacts): readonly SecretStep[] {
  if (found.state === "gone") return ["create", "let in"];
  const encrypt: readonly SecretStep[] = found.kmsKeyId === target.secret.kmsKeyId ? [] : ["encrypt"];
  // Who had the old password before it was to be deleted need not be who may log in now.
  if (found.state === "leaving") return ["restore", ...encrypt, "write new", "let in"];
  const { value, letsIn } = found;
  if (value === undefined || (letsIn === false && !isSettable(value.password))) {
    return [...encrypt, "write new", "let in"];
  }
  return [
    ...encrypt,
    ...(wrongFields(target, value).length > 0 ? (["write same"] as const) : []),
    ...(letsIn === false ? (["let in"] as const) : []),
  ];
}

/** What was found, in words, for each step of a plan; nothing of the value is shown. */
export function describeSecret(target: SecretTarget, found: SecretFacts, steps: readonly SecretStep[]): string {
  if (found.state === "gone") return "gone";
  if (found.state === "leaving") return "scheduled for deletion";
  const wrong = found.value === undefined ? [] : wrongFields(target, found.value);
  const words: Readonly<Partial<Record<SecretStep, string>>> = {
    encrypt: `encrypted by ${found.kmsKeyId ?? "the account's key"}`,
    "write new":
      found.value === undefined ? `has no password of ${target.appRole}` : "its password is refused by the server",
    "write same": `${wrong.join(", ")} ${wrong.length === 1 ? "is" : "are"} not the cell's`,
    ...(!steps.includes("write new") && { "let in": "its password is refused by the server" }),
  };
  return steps.flatMap((step) => words[step] ?? []).join("; ");
}

/** Whether a secret of that name is this merchant's. */
export function isOurs({ merchant }: SecretTarget, found: SecretFacts): boolean {
  return found.state === "gone" || found.merchant === merchant;
}

function wrongFields(target: SecretTarget, { fields }: SecretValue): readonly string[] {
  // People write a port as text too.
  const text = (value: unknown) => (typeof value === "number" ? String(value) : value);
  return Object.entries(wantedFields(target))
    .filter(([name, wanted]) => text(fields[name]) !== text(wanted))
    .map(([name]) => name);
}

/** A password of other characters would need SASLprep before it can be made a verifier. */
function isSettable(password: string): boolean {
  return /^[\x20-\x7e]+$/.test(password);
}

function parseJson(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? "");
  } catch {
    return undefined;
  }
}
