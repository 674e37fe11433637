import { setTimeout } from "node:timers/promises";
import { z } from "zod";
import type { PasswordSource } from "../address.ts";
import { ConvergeError } from "../errors.ts";
import { awsFailure, secretsClient } from "./clients.ts";

/** Who logs in where. */
interface Login {
  readonly cell: string;
  readonly region: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
}

/** How often a secret is read again for a password that the server refused, and milliseconds between two times. */
const LOOKS = 8;
const BETWEEN_LOOKS = 1_500;

/** As RDS and its rotation write a secret. */
const secretForm = z.object({ username: z.string().optional(), password: z.string().min(1) });

/** A token of IAM, made anew for each login: it is good for 15 minutes, and signed here, without a call to anybody. */
export function iamPassword({ cell, region, host, port, user }: Login): PasswordSource {
  return {
    generation: () => 0,
    async current() {
      try {
        const { Signer } = await import("@aws-sdk/rds-signer");
        return await new Signer({ hostname: host, port, username: user, region }).getAuthToken();
      } catch (error) {
        throw awsFailure(cell, "rds-db:connect", error);
      }
    },
    // Another token says the same.
    renew: () => Promise.resolve(false),
  };
}

const secrets = new Map<string, PasswordSource>();

/**
 * The password in a secret of Secrets Manager, read once in the life of the process, and again when the server refused
 * it: a rotation sets the password first and finishes the secret moments later.
 */
export function secretPassword(
  { cell, region, user }: Pick<Login, "cell" | "region" | "user">,
  secret: string,
  betweenLooks = BETWEEN_LOOKS,
): PasswordSource {
  const key = JSON.stringify([region, secret, user]);
  const known = secrets.get(key) ?? cachedSecret({ cell, region, user, secret, betweenLooks });
  secrets.set(key, known);
  return known;
}

interface Place {
  readonly cell: string;
  readonly region: string;
  readonly user: string;
  readonly secret: string;
  readonly betweenLooks: number;
}

function cachedSecret(place: Place): PasswordSource {
  let generation = 0;
  let cached: Promise<string> | undefined;
  let renewing: Promise<boolean> | undefined;
  const current = () => {
    cached ??= readSecret(place);
    cached.catch(() => (cached = undefined));
    return cached;
  };
  const lookAgain = async () => {
    const refused = await current();
    for (let look = 1; ; look += 1) {
      const found = await readSecret(place);
      if (found !== refused) {
        cached = Promise.resolve(found);
        generation += 1;
        return true;
      }
      if (look === LOOKS) return false;
      await setTimeout(place.betweenLooks);
    }
  };
  return {
    generation: () => generation,
    current,
    async renew(refused) {
      // Somebody else has met the new password already.
      if (refused !== generation) return true;
      renewing ??= lookAgain().finally(() => (renewing = undefined));
      return renewing;
    },
  };
}

async function readSecret({ cell, region, user, secret }: Place): Promise<string> {
  const { sdk, client } = await secretsClient(region);
  const found = await client.send(new sdk.GetSecretValueCommand({ SecretId: secret })).catch((error: unknown) => {
    throw awsFailure(cell, `secretsmanager:GetSecretValue of ${secret}`, error);
  });
  // Neither the text nor what the parser says of it is shown: both may hold the password.
  const parsed = secretForm.safeParse(parseJson(found.SecretString));
  if (!parsed.success) {
    throw new ConvergeError(
      "no_credential",
      `cell ${cell}: the secret ${secret} has no password in it: write it as {"username": "${user}", "password": "…"}`,
    );
  }
  const { username = user, password } = parsed.data;
  if (username === user) return password;
  throw new ConvergeError(
    "no_credential",
    `cell ${cell}: the secret ${secret} is of ${username}, and the cell's administrator is ${user}`,
  );
}

function parseJson(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? "");
  } catch {
    return undefined;
  }
}
