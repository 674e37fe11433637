import { createCipheriv, createDecipheriv, pbkdf2, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";

import { EngineError } from "./errors.ts";
import { isObject, isSecret, mapParts, SECRET, SIGNATURE } from "./values.ts";
import type { Json } from "./values.ts";

const derive = promisify(pbkdf2);
const ITERATIONS = 1_000_000;
const KEY_BYTES = 32;
const TAG_BYTES = 16;

/** Opens and closes secrets as the CLI's passphrase provider does: AES-256-GCM, `v1:<nonce>:<ciphertext>` in base64. */
export interface Crypter {
  /** `v1:<salt>:<the word pulumi, encrypted>`: what tells a wrong passphrase from a right one. */
  readonly salt: string;
  readonly encrypt: (text: string) => string;
  readonly decrypt: (text: string) => string;
}

function withKey(key: Buffer): Pick<Crypter, "encrypt" | "decrypt"> {
  return {
    encrypt(text) {
      const nonce = randomBytes(12);
      const cipher = createCipheriv("aes-256-gcm", key, nonce);
      const body = Buffer.concat([cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()]);
      return `v1:${nonce.toString("base64")}:${body.toString("base64")}`;
    },
    decrypt(text) {
      const [version, nonce, body, ...rest] = text.split(":");
      if (version !== "v1" || nonce === undefined || body === undefined || rest.length > 0) {
        throw new EngineError("secrets", "a secret is not of the form v1:<nonce>:<ciphertext>; was the file edited?");
      }
      const bytes = Buffer.from(body, "base64");
      const decipher = createDecipheriv("aes-256-gcm", key, Buffer.from(nonce, "base64"));
      decipher.setAuthTag(bytes.subarray(bytes.length - TAG_BYTES));
      try {
        return decipher.update(bytes.subarray(0, -TAG_BYTES), undefined, "utf8") + decipher.final("utf8");
      } catch (cause) {
        throw new EngineError("secrets", "a secret was encrypted with another passphrase, or was changed", { cause });
      }
    },
  };
}

/** The crypter of a passphrase and a salt line; without a salt, a new one. pkg/secrets/passphrase/manager.go. */
export async function openCrypter(passphrase: string, salt: string | undefined): Promise<Crypter> {
  const raw = salt === undefined ? randomBytes(8) : Buffer.from(salt.split(":")[1] ?? "", "base64");
  const crypter = withKey(await derive(passphrase, raw, ITERATIONS, KEY_BYTES, "sha256"));
  if (salt === undefined) {
    return { ...crypter, salt: `v1:${raw.toString("base64")}:${crypter.encrypt("pulumi")}` };
  }
  const proof = salt.split(":").slice(2).join(":");
  try {
    if (crypter.decrypt(proof) === "pulumi") return { ...crypter, salt };
  } catch {
    // Said below: to the user it is one mistake.
  }
  throw new EngineError(
    "secrets",
    "incorrect passphrase: set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE to the stack's",
  );
}

/**
 * The passphrase: `PULUMI_CONFIG_PASSPHRASE`, the file of `PULUMI_CONFIG_PASSPHRASE_FILE`, or else the key of this clone,
 * made when first needed and kept in `.local/passphrase`, readable by its owner only. What has a salt was encrypted before:
 * no new key opens that.
 */
export function readPassphrase(env: NodeJS.ProcessEnv, projectFolder: string, salt: string | undefined): string {
  const given = env["PULUMI_CONFIG_PASSPHRASE"];
  if (given !== undefined) return given;
  const file = env["PULUMI_CONFIG_PASSPHRASE_FILE"];
  if (file) {
    try {
      return readFileSync(file, "utf8").trim();
    } catch (cause) {
      throw new EngineError("secrets", `PULUMI_CONFIG_PASSPHRASE_FILE names ${file}, which cannot be read`, { cause });
    }
  }
  const own = path.join(projectFolder, ".local", "passphrase");
  if (!existsSync(own)) {
    if (salt !== undefined) {
      throw new EngineError(
        "secrets",
        `there is no passphrase for the secrets of this stack: set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE, ` +
          `or put back ${own}, the key that was made with the stack`,
      );
    }
    mkdirSync(path.dirname(own), { recursive: true });
    writeFileSync(own, `${randomBytes(24).toString("base64url")}\n`, { mode: 0o600, flag: "wx" });
  }
  return readFileSync(own, "utf8").trim();
}

/** The value as the state file holds it: secrets encrypted (pkg/resource/stack/deployment.go). */
export function encryptSecrets(value: Json, crypter: Crypter): Json {
  return mapParts(value, (part) =>
    isSecret(part)
      ? { [SIGNATURE]: SECRET, ciphertext: crypter.encrypt(JSON.stringify(encryptSecrets(part.value, crypter))) }
      : undefined,
  );
}

/** The value with the secrets of a state file opened. `plaintext` is how `stack export --show-secrets` writes them. */
export function decryptSecrets(value: Json, crypter: Crypter): Json {
  return mapParts(value, (part) => {
    if (!isObject(part) || part[SIGNATURE] !== SECRET) return undefined;
    const { ciphertext, plaintext } = part;
    if (typeof ciphertext !== "string" && typeof plaintext !== "string") return undefined;
    const text = typeof ciphertext === "string" ? crypter.decrypt(ciphertext) : (plaintext as string);
    return { [SIGNATURE]: SECRET, value: decryptSecrets(JSON.parse(text) as Json, crypter) };
  });
}

/** What seals and opens the secrets of a project's stack. Throws `secrets` when its passphrase is missing or another one. */
export function crypterOf(env: NodeJS.ProcessEnv, projectFolder: string, salt: string | undefined): Promise<Crypter> {
  return openCrypter(readPassphrase(env, projectFolder, salt), salt);
}
